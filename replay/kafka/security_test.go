package kafka

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/lockstep-data/lockstep/schema"
)

const password = "s3cret-9f7"

func TestSASL(t *testing.T) {
	f, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.SeedTopics(1, "t"),
		kfake.Superuser("PLAIN", "ann", password), kfake.Superuser("SCRAM-SHA-256", "bob", password), kfake.Superuser("SCRAM-SHA-512", "cid", password))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &cluster{brokers: f.ListenAddrs()}
	for _, auth := range []SASLOptions{
		{Mechanism: Plain, User: "ann", Password: password},
		{Mechanism: ScramSHA256, User: "bob", Password: password},
		{Mechanism: ScramSHA512, User: "cid", Password: password},
	} {
		use := func(a SASLOptions) func(*SourceOptions) {
			return func(o *SourceOptions) { o.Client.SASL = &a; o.Client.StartTimeout = 3 * time.Second }
		}
		if r := c.readAll(t, "t", use(auth)); !r.ended[0] {
			t.Fatal(auth.Mechanism)
		}
		wrong := auth
		wrong.Password = password + "x"
		_, err := c.trySource(t, "t", use(wrong))
		if err == nil || !strings.Contains(schema.Hint(err), "password") && !strings.Contains(schema.Hint(err), "SASL") {
			t.Fatal(auth.Mechanism, err, schema.Hint(err))
		}
		if all := fmt.Sprintf("%v %+v %#v", err, wrong, wrong); strings.Contains(all, password) {
			t.Fatalf("%s: the password shows in %s", auth.Mechanism, all)
		}
	}
	_, err = c.trySource(t, "t", func(o *SourceOptions) { o.Client.StartTimeout = 3 * time.Second })
	if err == nil || !strings.Contains(schema.Hint(err), "SASL") {
		t.Fatal(err, schema.Hint(err))
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	var out bytes.Buffer
	o := ClientOptions{Brokers: []string{"b"}, SASL: &SASLOptions{Mechanism: Plain, User: "u", Password: password}}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", "kafka", o, "auth", o.SASL, "password", o.SASL.Password)
	fmt.Fprintf(&out, "%v %+v %#v %s %q", o.SASL, *o.SASL, *o.SASL, o.SASL.Password, o.SASL.Password)
	if strings.Contains(out.String(), password) {
		t.Fatal(out.String())
	}
}

func TestBadSecurityOptions(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]ClientOptions{
		"mechanism \"KERBEROS\"":  {SASL: &SASLOptions{Mechanism: "KERBEROS", User: "u", Password: "p"}},
		"needs a user":            {SASL: &SASLOptions{Mechanism: Plain}},
		"needs a token file":      {SASL: &SASLOptions{Mechanism: OAuthBearer}},
		"is empty":                {SASL: &SASLOptions{Mechanism: OAuthBearer, TokenFile: empty}},
		"no such file":            {TLS: &TLSOptions{CA: filepath.Join(dir, "none")}},
		"holds no certificate":    {TLS: &TLSOptions{CA: empty}},
		"needs both":              {TLS: &TLSOptions{Cert: empty}},
		"tls client certificate":  {TLS: &TLSOptions{Cert: empty, Key: empty}},
		"sasl token: open " + dir: {SASL: &SASLOptions{Mechanism: OAuthBearer, TokenFile: filepath.Join(dir, "none")}},
	} {
		o.Brokers = []string{"localhost"}
		if _, err := Client(o); err == nil || !strings.Contains(err.Error(), want) || schema.Hint(err) == "" {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestTokenIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	save := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("first\n")
	m, err := mechanism(SASLOptions{Mechanism: "oauthbearer", TokenFile: file})
	if err != nil || m.Name() != OAuthBearer {
		t.Fatal(m, err)
	}
	for _, want := range []string{"first", "second"} {
		save(want + "\n")
		_, msg, err := m.Authenticate(context.Background(), "h")
		if err != nil || !bytes.Contains(msg, []byte("Bearer "+want+"\x01")) {
			t.Fatalf("%q %v", msg, err)
		}
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca, caKey, _ := certificate(t, dir, "ca", nil, nil)
	_, _, server := certificate(t, dir, "server", ca, caKey)
	certificate(t, dir, "client", ca, caKey)
	certificate(t, dir, "other", nil, nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	f, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &cluster{brokers: f.ListenAddrs()}
	pemOf := func(n string) string { return filepath.Join(dir, n+".pem") }
	good := TLSOptions{CA: pemOf("ca"), Cert: pemOf("client"), Key: pemOf("client-key"), ServerName: "server"}
	try := func(o *TLSOptions) error {
		s, err := c.trySource(t, "t", func(so *SourceOptions) { so.Client.TLS = o; so.Client.StartTimeout = time.Second })
		if err == nil {
			_, err = s.Next(t.Context())
		}
		return err
	}
	if err := try(&good); err != nil {
		t.Fatal(err)
	}
	untrusted, misnamed, anonymous := good, good, good
	untrusted.CA = pemOf("other")
	misnamed.ServerName = "somebody"
	anonymous.Cert, anonymous.Key = "", ""
	for want, o := range map[string]*TLSOptions{"kafka.tls.ca": &untrusted, "server_name": &misnamed, "kafka.tls": nil} {
		if err := try(o); err == nil || !strings.Contains(schema.Hint(err), want) {
			t.Errorf("want a hint with %q: %v; %s", want, err, schema.Hint(err))
		}
	}
	if err := try(&anonymous); err == nil || !strings.Contains(schema.Hint(err), "kafka.tls.cert") {
		t.Errorf("%v; %s", err, schema.Hint(err))
	}
	plain := fakeCluster(t)
	c.brokers = plain.brokers
	if err := try(&good); err == nil || schema.Hint(err) == "" {
		t.Error(err)
	}
}

// certificate writes NAME.pem and NAME-key.pem, signed by the parent or by itself.
func certificate(t *testing.T, dir, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		parent, parentKey = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	for file, data := range map[string][]byte{name + ".pem": certPEM, name + "-key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pair
}

// ACLs: who may not read is told what to ask for.
func TestACL(t *testing.T) {
	f, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "t"),
		kfake.Superuser("PLAIN", "root", password), kfake.User("PLAIN", "ann", password))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &cluster{brokers: f.ListenAddrs()}
	_, err = c.trySource(t, "t", func(o *SourceOptions) {
		o.Client.SASL = &SASLOptions{Mechanism: Plain, User: "ann", Password: password}
	})
	if err == nil || !strings.Contains(schema.Hint(err), "ACL") {
		t.Fatal(err, schema.Hint(err))
	}
}

func offsetsOf(topic string, part int32, at int64) kadm.Offsets {
	o := kadm.Offsets{}
	o.AddOffset(topic, part, at, -1)
	return o
}
