package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
)

// built is the worker, made once for all tests.
var built = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(scratch, "convstream")
	output, err := inRepository("go", "build", "-o", binary, "./cmd/convstream").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, output)
	}
	return binary, nil
})

// scratch is for what several tests use.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "convstream-deploy-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// convstream runs the worker's binary in an environment of these variables alone.
func convstream(t *testing.T, env map[string]string, args ...string) (string, error) {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, args...)
	command.Env = []string{}
	for name, value := range env {
		command.Env = append(command.Env, name+"="+value)
	}
	output, err := command.CombinedOutput()
	return string(output), err
}

// TestTheWorkerTakesEachInstall hands each install's settings to the worker, with the files that they name, and the worker must not
// find fault with any of them.
func TestTheWorkerTakesEachInstall(t *testing.T) {
	folder := t.TempDir()
	writeSecrets(t, folder)
	eachInstall(t, func(t *testing.T, objects []runtime.Object) {
		env := environment(t, objects)
		for name, value := range env {
			env[name] = strings.Replace(value, "/etc/convstream", folder, 1)
		}
		if output, err := convstream(t, env, "config"); err != nil || strings.Contains(output, "warning") {
			t.Errorf("%v\n%s", err, output)
		}
		env["KAFKA_BROKERS"] = ""
		if output, err := convstream(t, env, "config"); err == nil || !strings.Contains(output, "KAFKA_BROKERS") {
			t.Errorf("without brokers: %v\n%s", err, output)
		}
	})
}

// writeSecrets makes all folders that installs mount. The accounts are forty, and the two of the overlay.
func writeSecrets(t *testing.T, folder string) {
	t.Helper()
	certificate, key := selfSigned(t)
	files := map[string]string{
		"login/client-secret": "make-believe", "login/kafka-api-secret": "make-believe", "login/registry-api-secret": "make-believe",
		"kafka-ca/ca.crt": certificate, "kafka-user/user.crt": certificate, "kafka-user/user.key": key,
	}
	for i := range 40 {
		files[fmt.Sprintf("accounts/account-%02d.env", i)] = fmt.Sprintf(
			"SMARTASSIST_ACCOUNT_ID=%024x\nSMARTASSIST_CLIENT_ID=cs-%d\nSMARTASSIST_CLIENT_SECRET='make-believe'\n", i+1, i)
	}
	for _, name := range []string{"eu.env", "us.env"} {
		text, err := os.ReadFile(filepath.Join(manifests, "many/accounts", name))
		if err != nil {
			t.Fatal(err)
		}
		files["accounts/"+name] = string(text)
	}
	for name, content := range files {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// selfSigned returns a certificate and its key as PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "convstream"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}
