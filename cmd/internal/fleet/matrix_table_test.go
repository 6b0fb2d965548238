package fleet

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

// asked is a row of the fault matrix: a request that the worker makes.
type asked struct {
	row   string
	key   kmsg.Key
	about string // what the request must hold, "" is anything
	in    phase
	codes []*kerr.Error // every error that the protocol has for its answer
}

// phase is when in a worker's life a request is looked at.
type phase int

const (
	first    phase = iota // the account's first start
	again                 // a later start: there is a state to recover
	working               // in the middle of the work
	draining              // told to end
)

func (a asked) matches(r request) bool {
	return r.Key == a.key && bytes.Contains(r.Body, []byte(a.about))
}

// mishap is a column of the fault matrix: what becomes of one request.
type mishap struct {
	what  string
	loss  loss        // on its way
	code  *kerr.Error // or the broker answers so; it has not done what it was asked, unless the code says so
	gives simulator.Fault
}

// mishaps are the columns that every request has.
var mishaps = []mishap{
	{what: "lost before it took effect", loss: lost},
	{what: "its answer lost", loss: unheard},
	{what: "delayed past its timeout", loss: delayed},
}

// mishaps are all columns of the row.
func (a asked) mishaps() []mishap {
	list := mishaps
	for _, code := range a.codes {
		list = append(list, mishap{what: code.Message, code: code})
	}
	if a.key == overHTTP {
		for _, f := range simulator.AllFaults {
			list = append(list, mishap{what: "answer " + string(f), gives: f})
		}
	}
	return list
}

type codes = []*kerr.Error

// with joins what many answers have in common and what is one's own.
func with(common codes, own ...*kerr.Error) codes {
	return append(append(codes{}, common...), own...)
}

var (
	// any broker may say so to anything.
	anywhere = codes{kerr.UnknownServerError, kerr.InvalidRequest, kerr.UnsupportedVersion}
	// whoever coordinates a group or a transaction may be another one, or not be ready.
	byCoordinator = with(anywhere, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator)
	byTransaction = with(byCoordinator, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidProducerIDMapping,
		kerr.ConcurrentTransactions, kerr.TransactionalIDAuthorizationFailed, kerr.TransactionCoordinatorFenced,
		kerr.RequestTimedOut, kerr.UnknownProducerID)
	byGroup = with(byCoordinator, kerr.GroupAuthorizationFailed, kerr.InvalidGroupID, kerr.UnknownMemberID, kerr.FencedInstanceID)
	// whoever leads a partition may be another one, or not be ready.
	byLeader = with(anywhere, kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.ReplicaNotAvailable,
		kerr.KafkaStorageError, kerr.TopicAuthorizationFailed, kerr.RequestTimedOut, kerr.BrokerNotAvailable, kerr.NetworkException)
	byEpoch = codes{kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.UnsupportedForMessageFormat}
)

// theMatrix are all its rows: a request that is not here must not be made, see everyRequestIsARow.
var theMatrix = []asked{
	{row: "ApiVersions", key: kmsg.ApiVersions, in: again, codes: with(anywhere, kerr.ClusterAuthorizationFailed)},
	{row: "Metadata", key: kmsg.Metadata, about: workersTopic, in: again, codes: with(anywhere, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable,
		kerr.ReplicaNotAvailable, kerr.ListenerNotFound, kerr.TopicAuthorizationFailed, kerr.InvalidTopicException,
		kerr.BrokerNotAvailable, kerr.RequestTimedOut)},
	{row: "CreateTopics", key: kmsg.CreateTopics, in: first, codes: with(anywhere, kerr.TopicAlreadyExists, kerr.InvalidTopicException,
		kerr.InvalidPartitions, kerr.InvalidReplicationFactor, kerr.InvalidReplicaAssignment, kerr.InvalidConfig, kerr.NotController,
		kerr.PolicyViolation, kerr.RequestTimedOut, kerr.ThrottlingQuotaExceeded, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed)},
	{row: "DescribeConfigs", key: kmsg.DescribeConfigs, in: again, codes: with(anywhere, kerr.UnknownTopicOrPartition,
		kerr.InvalidTopicException, kerr.RequestTimedOut, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed)},
	{row: "ListOffsets", key: kmsg.ListOffsets, in: again, codes: with(byLeader, byEpoch...)},
	{row: "Fetch", key: kmsg.Fetch, in: again, codes: with(with(byLeader, byEpoch...), kerr.OffsetOutOfRange, kerr.CorruptMessage,
		kerr.UnsupportedCompressionType, kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.OffsetMovedToTieredStorage,
		kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch, kerr.FetchSessionTopicIDError, kerr.ThrottlingQuotaExceeded)},
	{row: "FindCoordinator of the group", key: kmsg.FindCoordinator, about: leaseGroup, in: again,
		codes: with(anywhere, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.GroupAuthorizationFailed, kerr.InvalidGroupID)},
	{row: "JoinGroup", key: kmsg.JoinGroup, in: again, codes: with(byGroup, kerr.InconsistentGroupProtocol, kerr.InvalidSessionTimeout,
		kerr.GroupMaxSizeReached, kerr.MemberIDRequired, kerr.RebalanceInProgress, kerr.UnreleasedInstanceID)},
	{row: "SyncGroup", key: kmsg.SyncGroup, in: again, codes: with(byGroup, kerr.IllegalGeneration, kerr.RebalanceInProgress,
		kerr.InconsistentGroupProtocol)},
	{row: "Heartbeat", key: kmsg.Heartbeat, in: working, codes: with(byGroup, kerr.IllegalGeneration, kerr.RebalanceInProgress)},
	{row: "LeaveGroup", key: kmsg.LeaveGroup, in: draining, codes: byGroup},
	{row: "FindCoordinator of the transaction", key: kmsg.FindCoordinator, about: transactionalID, in: again,
		codes: with(anywhere, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.TransactionalIDAuthorizationFailed)},
	{row: "InitProducerID", key: kmsg.InitProducerID, in: again, codes: with(byTransaction, kerr.InvalidTransactionTimeout,
		kerr.ClusterAuthorizationFailed)},
	{row: "AddPartitionsToTxn", key: kmsg.AddPartitionsToTxn, in: working, codes: with(byTransaction, kerr.InvalidTxnState,
		kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed, kerr.OperationNotAttempted, kerr.TransactionAbortable)},
	{row: "Produce", key: kmsg.Produce, in: working, codes: with(byLeader, kerr.CorruptMessage, kerr.MessageTooLarge, kerr.RecordListTooLarge,
		kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.InvalidRequiredAcks, kerr.InvalidTopicException,
		kerr.UnsupportedForMessageFormat, kerr.InvalidTimestamp, kerr.InvalidRecord, kerr.UnsupportedCompressionType,
		kerr.OutOfOrderSequenceNumber, kerr.DuplicateSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.ProducerFenced,
		kerr.InvalidProducerIDMapping, kerr.InvalidTxnState, kerr.ConcurrentTransactions, kerr.TransactionAbortable, kerr.UnknownTopicID,
		kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.CoordinatorLoadInProgress,
		kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.ThrottlingQuotaExceeded)},
	{row: "EndTxn", key: kmsg.EndTxn, in: working, codes: with(byTransaction, kerr.InvalidTxnState, kerr.TransactionAbortable)},
	{row: "HTTP", key: overHTTP, in: working},
}

const (
	leaseGroup      = "conversations.convstream-lease"
	workersTopic    = "conversations.voice" // of which the member of the group asks nothing
	transactionalID = "conversations.convstream." + accountID
)

// elsewhere are the errors of the protocol that no request of the worker is answered with, by where they belong.
var elsewhere = map[string]codes{
	"logging in and its tokens": {kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState, kerr.SaslAuthenticationFailed,
		kerr.SecurityDisabled, kerr.DelegationTokenAuthDisabled, kerr.DelegationTokenNotFound, kerr.DelegationTokenOwnerMismatch,
		kerr.DelegationTokenRequestNotAllowed, kerr.DelegationTokenAuthorizationFailed, kerr.DelegationTokenExpired,
		kerr.InvalidPrincipalType, kerr.UnacceptableCredential, kerr.PrincipalDeserializationFailure},
	"committed offsets, of which the worker has none": {kerr.OffsetMetadataTooLarge, kerr.InvalidCommitOffsetSize, kerr.UnstableOffsetCommit,
		kerr.GroupSubscribedToTopic},
	"groups of other protocols": {kerr.FencedMemberEpoch, kerr.UnsupportedAssignor, kerr.StaleMemberEpoch, kerr.InvalidRecordState,
		kerr.ShareSessionNotFound, kerr.InvalidShareSessionEpoch, kerr.FencedStateEpoch, kerr.ShareSessionLimitReached,
		kerr.StreamsInvalidTopology, kerr.StreamsInvalidTopologyEpoch, kerr.StreamsTopologyFenced,
		kerr.StreamsTopologyDescriptionUpdateFailed, kerr.InvalidRegularExpression},
	"administration": {kerr.NonEmptyGroup, kerr.GroupIDNotFound, kerr.GroupDeletionFailed, kerr.TopicDeletionDisabled, kerr.LogDirNotFound,
		kerr.ReassignmentInProgress, kerr.NoReassignmentInProgress, kerr.PreferredLeaderNotAvailable, kerr.EligibleLeadersNotAvailable,
		kerr.ElectionNotNeeded, kerr.ResourceNotFound, kerr.DuplicateResource, kerr.InvalidUpdateVersion, kerr.FeatureUpdateFailed,
		kerr.TransactionalIDNotFound, kerr.UnsupportedEndpointType, kerr.MismatchedEndpointType, kerr.UnknownSubscriptionID,
		kerr.TelemetryTooLarge},
	"between brokers": {kerr.StaleControllerEpoch, kerr.StaleBrokerEpoch, kerr.InconsistentVoterSet, kerr.SnapshotNotFound,
		kerr.PositionOutOfRange, kerr.DuplicateBrokerRegistration, kerr.BrokerIDNotRegistered, kerr.InconsistentClusterID,
		kerr.IneligibleReplica, kerr.NewLeaderElected, kerr.UnknownControllerID, kerr.InvalidRegistration, kerr.InvalidVoterKey,
		kerr.DuplicateVoter, kerr.VoterNotFound, kerr.ControllerIDNotRegistered},
	"versions of requests that the worker does not speak": {kerr.RebootstrapRequired, kerr.InvalidFetchSize},
}
