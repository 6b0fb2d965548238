package awsiam

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// request is one that is signed with AWS Signature Version 4 in its query, as far as the brokers' side needs it. What is here was
// written from AWS's documents, beside the SDK.
type request struct {
	method, path, host, payload string // payload: its sum, or what stands for it
	query                       url.Values
}

// signature is what the holder of the secret signs the request with.
func (r request) signature(secret string) string {
	scope := strings.Split(r.query.Get("X-Amz-Credential"), "/")[1:] // date, region, service, aws4_request
	unsigned := url.Values{}
	for name, values := range r.query {
		if name != "X-Amz-Signature" {
			unsigned[name] = values
		}
	}
	canonical := strings.Join([]string{
		r.method, r.path, strings.ReplaceAll(unsigned.Encode(), "+", "%20"), "host:" + r.host + "\n", "host", r.payload,
	}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.query.Get("X-Amz-Date"), strings.Join(scope, "/"), hex.EncodeToString(sum[:])}, "\n")
	return hex.EncodeToString(mac(signingKey(secret, scope...), text))
}

func signingKey(secret string, scope ...string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range scope {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

const dateForm = "20060102T150405Z"

// verify is what a broker does with the bytes of a login: it knows the secret that belongs to the access key, and the token of the
// session where there is one.
func verify(login []byte, host, region, key, secret, token string, now time.Time) error {
	said := map[string]string{}
	if err := json.Unmarshal(login, &said); err != nil {
		return err
	}
	date, err := time.Parse(dateForm, said["x-amz-date"])
	if err != nil {
		return err
	}
	want := map[string]string{
		"version": "2020_10_22", "host": host, "action": "kafka-cluster:Connect", "x-amz-algorithm": "AWS4-HMAC-SHA256",
		"x-amz-credential": strings.Join([]string{key, date.Format("20060102"), region, "kafka-cluster", "aws4_request"}, "/"),
		"x-amz-expires":    "300", "x-amz-signedheaders": "host", "x-amz-security-token": token,
	}
	query := url.Values{"Action": {said["action"]}}
	for name, value := range want {
		if said[name] != value {
			return fmt.Errorf("%s is %q, want %q", name, said[name], value)
		}
	}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Security-Token"} {
		if value := said[strings.ToLower(name)]; value != "" {
			query.Set(name, value)
		}
	}
	if age := now.Sub(date); age < -time.Minute || age > 5*time.Minute {
		return fmt.Errorf("it is %v old", age)
	}
	empty := sha256.Sum256(nil)
	r := request{method: "GET", path: "/", host: host, payload: hex.EncodeToString(empty[:]), query: query}
	if !hmac.Equal([]byte(r.signature(secret)), []byte(said["x-amz-signature"])) {
		return errors.New("the signature is another one")
	}
	return nil
}

const exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

// TestVerifierBesideAWS: the verifier comes to the figures that AWS has published, of a signing key (IAM User Guide) and of a signed URL (Amazon
// S3 API Reference).
func TestVerifierBesideAWS(t *testing.T) {
	const key = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
	if got := hex.EncodeToString(signingKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam", "aws4_request")); got != key {
		t.Errorf("signing key %s, want %s", got, key)
	}
	r := request{method: "GET", path: "/test.txt", host: "examplebucket.s3.amazonaws.com", payload: "UNSIGNED-PAYLOAD", query: url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"},
		"X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Expires": {"86400"}, "X-Amz-SignedHeaders": {"host"},
	}}
	const signed = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	if got := r.signature(exampleSecret); got != signed {
		t.Errorf("signature %s, want %s", got, signed)
	}
}
