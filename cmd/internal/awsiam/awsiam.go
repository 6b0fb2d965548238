// Package awsiam logs in to Amazon MSK with AWS_MSK_IAM: instead of a password, each broker gets a request to connect that is signed
// with AWS credentials (https://github.com/aws/aws-msk-iam-auth).
//
// The credentials come from the default chain of the AWS SDK: environment variables, the token of a service account (EKS), the
// container endpoint (EKS Pod Identity, ECS), the files of a profile, the role of the machine. They are replaced before
// they expire, and the connections, too.
package awsiam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go/logging"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/aws_msk_iam_v2"
)

// Mechanism is the value of KAFKA_SASL_MECHANISM.
const Mechanism = "AWS_MSK_IAM"

const (
	// ahead is how long before they expire credentials are replaced.
	ahead = time.Minute
	// patience limits one search for credentials: it is a part of the time for opening a connection. Those of a role may take longer;
	// then the next search has them.
	patience = 3 * time.Second
	// longest is the length after which an error of the SDK is cut.
	longest = 300
)

// Login signs with the credentials of the chain. All connections of a process share one Login, so that credentials are requested once. It
// is safe for use by several goroutines.
type Login struct {
	mu     sync.Mutex
	region string
	chain  aws.CredentialsProvider // nil at first and after Refused
}

// In sets the region of the cluster, and returns l.
func (l *Login) In(region string) *Login {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.region = region
	return l
}

// Login returns the mechanism for one connection. With the other methods it implements producer.Mechanism.
func (l *Login) Login(ctx context.Context) (sasl.Mechanism, error) {
	found, err := l.credentials(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	these := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return found, nil })
	return &aws_msk_iam_v2.Mechanism{Signer: signer.NewSigner(), Credentials: these, Region: l.region}, nil
}

// Credentials returns a string that changes with the credentials.
func (l *Login) Credentials(ctx context.Context) (string, error) {
	found, err := l.credentials(ctx)
	return found.AccessKeyID + found.SecretAccessKey + found.SessionToken, err
}

// Refused makes the next login search for credentials again: otherwise the files of a profile are read only once.
func (l *Login) Refused() (what, hint string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chain = nil
	return "the AWS credentials", "the IAM policy of their role or user must allow kafka-cluster:Connect on the cluster; check KAFKA_AWS_REGION, which credentials this process has, and its clock"
}

// actions are the actions of IAM by resource and operation of an ACL.
var actions = map[string]string{
	"topic Create": "CreateTopic", "topic DescribeConfigs": "DescribeTopicDynamicConfiguration", "topic Describe": "DescribeTopic",
	"topic Read": "ReadData", "topic Write": "WriteData", "group Read": "AlterGroup", "group Describe": "DescribeGroup",
	"transactional-id Write": "AlterTransactionalId", "transactional-id Describe": "DescribeTransactionalId", "cluster IdempotentWrite": "WriteDataIdempotently",
}

// Grant returns how to allow the operations in an IAM policy.
func (l *Login) Grant(resource string, operations []string) string {
	var names []string
	for _, o := range operations {
		names = append(names, "kafka-cluster:"+actions[resource+" "+o])
	}
	return "allow " + strings.Join(names, " and ") + " on it in the IAM policy of the role or user"
}

// credentials returns the current credentials. Its error contains nothing of them.
func (l *Login) credentials(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	chain, err := l.provider(ctx)
	if err == nil {
		var found aws.Credentials
		if found, err = chain.Retrieve(ctx); err == nil {
			return found, nil
		}
	}
	return aws.Credentials{}, fmt.Errorf("KAFKA_SASL_MECHANISM=%s: no AWS credentials: %s; expected a role of the pod or the machine, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", Mechanism, reason(err))
}

// provider returns the chain. It reads variables and files; requests are made by the chain.
func (l *Login) provider(ctx context.Context) (aws.CredentialsProvider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chain != nil {
		return l.chain, nil
	}
	found, err := config.LoadDefaultConfig(ctx, config.WithRegion(l.region), config.WithLogger(logging.Nop{}), // it would write to stderr in a form of its own
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = ahead }))
	if err != nil {
		return nil, err
	}
	l.chain = found.Credentials
	return l.chain, nil
}

// reason returns the beginning of an error of the SDK in one line. It hides that of a credential_process, which may quote credentials.
func reason(err error) string {
	if _, ok := errors.AsType[*processcreds.ProviderError](err); ok {
		return "the credential_process of the AWS profile returned no valid credentials"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", patience)
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	return text[:min(len(text), longest)]
}

var hosts = regexp.MustCompile(`\.kafka(?:-serverless)?\.([a-z]{2}(?:-[a-z]+)+-[0-9]+)\.amazonaws\.com(?:\.cn)?$`)

// RegionOf returns the AWS region in a broker's host name, "" if there is none.
func RegionOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	found := hosts.FindStringSubmatch(strings.ToLower(host))
	if found == nil {
		return ""
	}
	return found[1]
}
