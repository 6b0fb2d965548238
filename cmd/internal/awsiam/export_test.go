package awsiam

// For the tests outside of the package, which build a worker: that imports this package.
var (
	Alone        = alone
	NewIAMBroker = newIAMBroker
)

const (
	Region = region
	Ahead  = ahead
)
