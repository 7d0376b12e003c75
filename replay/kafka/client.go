package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/lockstep-data/lockstep/schema"
)

// ClientOptions say how to reach a cluster.
type ClientOptions struct {
	// Brokers are the addresses to start from, host:port; a host alone means port 9092.
	Brokers []string
	// ClientID is what brokers see in their logs and quotas; "" is lockstep.
	ClientID string
	// TLS, when not nil, encrypts every connection.
	TLS *TLSOptions
	// SASL, when not nil, authenticates every connection.
	SASL *SASLOptions
	// StartTimeout bounds the first contact with a broker; 0 is 10 s. Later outages are waited out.
	StartTimeout time.Duration
	// Events, when not nil, is told about a lost broker and about its return. All clients of a run share one.
	Events *Events
}

// TLSOptions name PEM files.
type TLSOptions struct {
	// CA is the file of the authorities to trust; "" trusts the system's.
	CA string
	// Cert and Key are the client's certificate and key; both or neither.
	Cert, Key string
	// ServerName is the name that the broker's certificate must have; "" is the host of its address.
	ServerName string
}

// Secret is a text that prints as "***", also in logs and with %#v.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret.
func (Secret) GoString() string { return "***" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// The mechanisms of SASLOptions.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

// SASLOptions authenticate the client.
type SASLOptions struct {
	// Mechanism is Plain, ScramSHA256, ScramSHA512 or OAuthBearer.
	Mechanism string
	// User and Password are for all mechanisms but OAuthBearer.
	User     string
	Password Secret
	// TokenFile holds the bearer token of OAuthBearer. It is read again on every authentication, so a token
	// that is renewed in place is picked up.
	TokenFile string
}

const defaultStartTimeout = 10 * time.Second

func (o ClientOptions) startTimeout() time.Duration {
	if o.StartTimeout > 0 {
		return o.StartTimeout
	}
	return defaultStartTimeout
}

// Client is the part of a client's options that says how to reach a cluster. Files named in opts are read
// here, but a token file on every authentication. Errors never hold a secret.
func Client(opts ClientOptions) ([]kgo.Opt, error) {
	if len(opts.Brokers) == 0 {
		return nil, schema.WithHint(errors.New("kafka: no brokers"),
			"name them in the pipeline file: kafka: {brokers: [\"host:9092\"]}")
	}
	seeds := make([]string, len(opts.Brokers))
	for i, b := range opts.Brokers {
		seed, err := address(b)
		if err != nil {
			return nil, err
		}
		seeds[i] = seed
	}
	out := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.ClientID(cmp.Or(opts.ClientID, "lockstep")),
		kgo.DisableClientMetrics(),
		kgo.RetryBackoffFn(pause),
		// The client's 20 tries within 30 s end a run that commits while the brokers restart. Whoever asks for the first
		// time bounds it by its context.
		kgo.RetryTimeout(0),
		kgo.RequestRetries(math.MaxInt),
		// The client's 5 s would be how long a moved leader or a new partition goes unnoticed.
		kgo.MetadataMinAge(time.Second),
	}
	var secure *tls.Config
	if opts.TLS != nil {
		var err error
		if secure, err = tlsConfig(*opts.TLS); err != nil {
			return nil, err
		}
	}
	out = append(out, kgo.Dialer(dialer(secure)))
	if opts.SASL != nil {
		mech, err := mechanism(*opts.SASL)
		if err != nil {
			return nil, err
		}
		out = append(out, kgo.SASL(mech))
	}
	return out, nil
}

func address(b string) (string, error) {
	if b == "" || strings.ContainsAny(b, " /,") {
		return "", schema.WithHint(fmt.Errorf("kafka: broker %q is no address", b), "write host:port, one broker an entry")
	}
	if _, _, err := net.SplitHostPort(b); err == nil {
		return b, nil
	}
	return net.JoinHostPort(strings.Trim(b, "[]"), "9092"), nil
}

// dialer connects to brokers, with TLS where secure is not nil. What the system says of a broker that is away is made an
// error that the client takes for worth another try. By itself it turns to the next broker then, and where there is none it
// gives up, in the middle of a commit, too.
func dialer(secure *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: 10 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var conn net.Conn
		var err error
		if secure == nil {
			conn, err = plain.DialContext(ctx, network, addr)
		} else {
			conn, err = (&tls.Dialer{NetDialer: plain, Config: secure}).DialContext(ctx, network, addr)
		}
		var op *net.OpError
		var call *os.SyscallError
		if errors.As(err, &op) && op.Op == "dial" && errors.As(op.Err, &call) && !errors.Is(call, fs.ErrPermission) {
			retry := *op
			retry.Err = &os.SyscallError{Syscall: call.Syscall, Err: away{call.Err}}
			err = &retry
		}
		return conn, err
	}
}

// away is an error of the system that may pass.
type away struct{ error }

func (away) Timeout() bool { return true }

func (a away) Unwrap() error { return a.error }

// pause grows from 100 ms to 5 s: soon enough for a broker that restarts, seldom enough for one that is gone.
func pause(tries int) time.Duration {
	d := 100 * time.Millisecond
	for i := 1; i < tries && d < 5*time.Second; i++ {
		d *= 2
	}
	return min(d, 5*time.Second)
}

func tlsConfig(o TLSOptions) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, schema.WithHint(fmt.Errorf("kafka: tls ca: %w", err), "name the PEM file of the authority that signed the brokers' certificates")
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, schema.WithHint(fmt.Errorf("kafka: tls ca: %s holds no certificate", o.CA), "it must be a PEM file with -----BEGIN CERTIFICATE-----")
		}
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, schema.WithHint(errors.New("kafka: tls: a client certificate needs both its certificate and its key file"), "set cert and key, or neither")
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, schema.WithHint(fmt.Errorf("kafka: tls client certificate %s: %w", o.Cert, err), "both files must be PEM, and the key must belong to the certificate")
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func mechanism(o SASLOptions) (sasl.Mechanism, error) {
	needUser := func() error {
		if o.User != "" && o.Password != "" {
			return nil
		}
		return schema.WithHint(fmt.Errorf("kafka: sasl %s needs a user and a password", o.Mechanism),
			"give the password by environment: password: ${KAFKA_PASSWORD}")
	}
	switch strings.ToUpper(o.Mechanism) {
	case Plain:
		return plain.Auth{User: o.User, Pass: string(o.Password)}.AsMechanism(), needUser()
	case ScramSHA256:
		return scram.Auth{User: o.User, Pass: string(o.Password)}.AsSha256Mechanism(), needUser()
	case ScramSHA512:
		return scram.Auth{User: o.User, Pass: string(o.Password)}.AsSha512Mechanism(), needUser()
	case OAuthBearer:
		if _, err := token(o.TokenFile); err != nil {
			return nil, err
		}
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			t, err := token(o.TokenFile)
			return oauth.Auth{Token: t}, err
		}), nil
	}
	return nil, schema.WithHint(fmt.Errorf("kafka: sasl mechanism %q is not known", o.Mechanism),
		"write one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER")
}

func token(file string) (string, error) {
	const hint = "token_file names a file that holds the bearer token and nothing else"
	if file == "" {
		return "", schema.WithHint(errors.New("kafka: sasl OAUTHBEARER needs a token file"), hint)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", schema.WithHint(fmt.Errorf("kafka: sasl token: %w", err), hint)
	}
	t := strings.TrimSpace(string(raw))
	if t == "" {
		return "", schema.WithHint(fmt.Errorf("kafka: sasl token: %s is empty", file), hint)
	}
	return t, nil
}

// advise adds what the user can do about an error of the client or a broker.
func advise(err error) error {
	var eof *kgo.ErrFirstReadEOF
	var unknownCA x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var record tls.RecordHeaderError
	var loss *kgo.ErrDataLoss
	var dns *net.DNSError
	hint := ""
	switch {
	case err == nil || schema.Hint(err) != "":
		return err
	// A broker that refuses a token answers with data where the client expects none; its error has no type.
	case errors.Is(err, kerr.SaslAuthenticationFailed), strings.Contains(err.Error(), "unexpected data in oauth response"):
		hint = "the broker refused the user, password or token; check kafka.sasl and the environment variables that it names"
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		hint = "the broker offers other SASL mechanisms; check kafka.sasl.mechanism"
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		hint = "the user lacks a permission (ACL): read needs Read and Describe on the topic, write needs Write and Describe, and Create for a new topic"
	case errors.As(err, &unknownCA):
		hint = "the brokers' certificate is signed by an authority that is not trusted here; name its PEM file in kafka.tls.ca"
	case errors.As(err, &wrongName):
		hint = "the brokers' certificate is for another name; set kafka.tls.server_name if that is right"
	// What a peer says about a handshake has no exported type.
	case strings.Contains(err.Error(), "remote error: tls:"):
		hint = "the broker does not take this client's certificate, or wants one; check kafka.tls.cert and kafka.tls.key"
	case errors.As(err, &record):
		hint = "the broker does not speak TLS on this port; remove kafka.tls or use its TLS port"
	case errors.As(err, &eof), errors.Is(err, io.EOF):
		hint = "the broker closes the connection: it may want TLS (kafka.tls) or SASL (kafka.sasl) on this port, or neither, or refuse the user and password"
	case errors.As(err, &loss), errors.Is(err, kerr.OffsetOutOfRange):
		hint = "records between the position and the topic's present start or end are gone; start again from the lake or with --since, or lengthen the topic's retention"
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		hint = "the topic was deleted or created again during the run; start again"
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		hint = "a row is larger than the topic takes; raise the topic's max.message.bytes"
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		hint = "the brokers allow no transaction to last for so long; raise their transaction.max.timeout.ms"
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch), errors.Is(err, kerr.InvalidTxnState), errors.Is(err, kerr.InvalidProducerIDMapping):
		hint = "another run has taken this transactional id, or the brokers or a place of the run were away for longer than a transaction lasts; nothing of this epoch is visible, go on with --resume"
	case errors.Is(err, kerr.InvalidTimestamp):
		hint = "an event time lies outside what the topic takes; raise its message.timestamp.after.max.ms or message.timestamp.before.max.ms"
	case errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
		hint = "fewer brokers are in sync than the topic's min.insync.replicas asks for"
	case errors.As(err, &dns) && dns.IsNotFound:
		hint = "the host name is not known here; check kafka.brokers, and the names that the brokers themselves advertise (advertised.listeners)"
	}
	if hint == "" {
		return err
	}
	return schema.WithHint(err, hint)
}
