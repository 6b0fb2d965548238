// Package awsiam logs in to Amazon MSK with AWS_MSK_IAM: a request to connect, signed with AWS credentials for each broker, in the
// place of a password (https://github.com/aws/aws-msk-iam-auth).
//
// The credentials are found as AWS's own tools find them: variables of the environment, the token of a service account (EKS), the
// endpoint of a container (EKS Pod Identity, ECS), the files of a profile, the role of the machine. Those that expire are replaced
// ahead of that, and connections with them.
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

// Mechanism is what KAFKA_SASL_MECHANISM calls it.
const Mechanism = "AWS_MSK_IAM"

const (
	// ahead is how long before their end credentials are replaced.
	ahead = time.Minute
	// patience bounds one look for credentials: it is a part of the time that opening a connection has. A role's may take longer to
	// come; then the next look has them.
	patience = 3 * time.Second
	// longest bounds what is said of an error of the SDK.
	longest = 300
)

// Login signs with the credentials of the chain. All connections of a process share one: credentials are asked for once. It is for any
// goroutine.
type Login struct {
	mu     sync.Mutex
	region string
	chain  aws.CredentialsProvider // nil: not looked for yet, or to be looked for anew
}

// In says in which region the cluster is, and returns l.
func (l *Login) In(region string) *Login {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.region = region
	return l
}

// Login returns what one connection logs in with. It implements producer.Mechanism, as do the others.
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

// Credentials returns something that changes with the credentials.
func (l *Login) Credentials(ctx context.Context) (string, error) {
	found, err := l.credentials(ctx)
	return found.AccessKeyID + found.SecretAccessKey + found.SessionToken, err
}

// Refused has the credentials looked for anew: a profile's file is read only once otherwise.
func (l *Login) Refused() (what, hint string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chain = nil
	return "the AWS credentials", "the IAM policy of their role or user must allow kafka-cluster:Connect on the cluster; check KAFKA_AWS_REGION, which credentials this process has, and its clock"
}

// actions of IAM by the resource and the operation of an ACL.
var actions = map[string]string{
	"topic Create": "CreateTopic", "topic DescribeConfigs": "DescribeTopicDynamicConfiguration", "topic Describe": "DescribeTopic",
	"topic Read": "ReadData", "topic Write": "WriteData", "group Read": "AlterGroup", "group Describe": "DescribeGroup",
	"transactional-id Write": "AlterTransactionalId", "transactional-id Describe": "DescribeTransactionalId", "cluster IdempotentWrite": "WriteDataIdempotently",
}

// Grant says which actions of IAM stand for the operations of ACLs.
func (l *Login) Grant(resource string, operations []string) string {
	var names []string
	for _, o := range operations {
		names = append(names, "kafka-cluster:"+actions[resource+" "+o])
	}
	return "allow " + strings.Join(names, " and ") + " on it in the IAM policy of the role or user"
}

// credentials are those of now. The error says nothing that they hold.
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

// provider looks for the chain. It reads variables and files, and asks nobody: that is for the chain.
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

// reason is the beginning of what the SDK says, in one line. Of a credential_process it would quote the output, which holds the credentials.
func reason(err error) string {
	if _, ok := errors.AsType[*processcreds.ProviderError](err); ok {
		return "the credential_process of the AWS profile returned none that are valid"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("nobody had them within %v", patience)
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	return text[:min(len(text), longest)]
}

var hosts = regexp.MustCompile(`\.kafka(?:-serverless)?\.([a-z]{2}(?:-[a-z]+)+-[0-9]+)\.amazonaws\.com(?:\.cn)?$`)

// RegionOf is the region that the name of a broker holds; "" where it holds none.
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
