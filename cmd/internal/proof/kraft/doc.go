// Package kraft runs Apache Kafka itself for tests, benchmarks and people: one node or more in KRaft mode, each broker and
// controller at once, on loopback, from Kafka's own Maven artifacts.
//
//	artifacts  the jars, fetched once into the user's cache
//	ports      a block of ports that no other cluster of this machine uses
//	node       one JVM: its settings, its life, its violent death
//	Cluster    the nodes together, and who leads what
//	Listener   one more door for clients, with TLS and logins; its keys, its users, and what they may do
//
// Everything of a cluster stands in one directory, so that it can be driven from one process (tests) or by one command
// after the other (.ci/kafka). Needs Java 17 or newer, and Maven for the first time.
//
// A cluster may have doors. A door is a listener of every broker of which clients are told another port than the one it
// listens on. A proxy that stands between (cmd/internal/proof/proxy) sees and breaks all traffic of the clients that came in
// through that door, and of no others.
package kraft
