// Package encoder turns rows of the service into the records of the topics, and
// back.
//
// # Nothing is lost
//
// A row is data of any shape: documented members drift in type and spelling,
// undocumented ones come. The Avro schema is typed and stays. Both hold at once
// because of one rule: a value goes into its typed field alone only if the
// field's published inverse restores exactly that name and value; otherwise
// its source text also stands in the map "unmapped", under its JSON Pointer,
// and wins when the row is rebuilt. So a typed field may be the best reading of
// a strange value ("3" as 3), and the strange value is still there.
//
// The mapping is one table per record (mapping.go), each line the service's
// name, the schema's field, the conversion and the place; a conversion
// (conversion.go) is a pair of a reading that reports whether it was exact, and
// the inverse. Reading (reader.go) and rebuilding (rebuild.go) are two walks
// over the same tables, so that they cannot disagree on a name.
//
// # What unmapped holds
//
//   - a value that its field cannot hold exactly, an explicit null, a member
//     that no table knows: under the member's own pointer;
//   - a member in another spelling, the same letters in other case ("Reason"
//     where "reason" is canonical): under its own pointer, and the canonical
//     member too when the row has both, since any kept spelling replaces what
//     the typed field would yield;
//   - an element of an array that does not fit, under its index; a placeholder
//     in the typed array keeps the count and the order;
//   - an object with repeated member names, or names that are not text: whole,
//     under its own pointer, "" for the row.
//
// Texts in unmapped are valid UTF-8 whatever the service sent: see escapeBroken.
//
// # Bytes
//
// hamba/avro encodes, behind a header that names the schema: Avro's
// single-object framing, or the wire format of Confluent's registry where one is
// used ([Encoder.Framed]). What is decoded here, our own topics, is decoded by
// twmb/avro, an independent implementation: a mistake of either library shows as
// a difference in the tests. A topic may hold both framings, and values of
// several versions of the schema: a [Decoder] reads all of them.
package encoder
