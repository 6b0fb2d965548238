package fleet

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fencing makes the cluster refuse a producer that names an epoch which another one has used a later one of, when it asks for
// the next (KIP-360). Apache Kafka does (TransactionMetadata.prepareIncrementProducerEpoch: the expected epoch is the present one,
// or the one before of the same producer); kfake takes any older one, and so lets a worker back in that was fenced. It keeps each
// request that such a function has looked at: not for worlds of a week.
func fencing(cluster *kfake.Cluster) {
	used := map[string]int16{}
	notes := func(id string, epoch int16) { used[id] = max(used[id], epoch) }
	cluster.ControlKey(int16(kmsg.AddPartitionsToTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req := r.(*kmsg.AddPartitionsToTxnRequest)
		notes(req.TransactionalID, req.ProducerEpoch)
		return nil, nil, false
	})
	cluster.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		req := r.(*kmsg.InitProducerIDRequest)
		if req.TransactionalID == nil || req.ProducerEpoch < 0 || req.ProducerEpoch >= used[*req.TransactionalID] {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ErrorCode = kerr.ProducerFenced.Code
		return resp, nil, true
	})
}
