package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/avro"
)

// clientOptions are how the pipeline's Kafka cluster is reached.
func clientOptions(w *world, p *pipeline.Pipeline) (kafka.ClientOptions, error) {
	c := kafka.ClientOptions{
		Brokers: p.Kafka.Brokers, ClientID: p.Kafka.ClientID,
		Events: w.brokers,
	}
	if t := p.Kafka.TLS; t != nil {
		c.TLS = &kafka.TLSOptions{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	}
	if s := p.Kafka.SASL; s != nil {
		password, err := secret(s.Password, s.PasswordFile)
		if err != nil {
			return c, err
		}
		c.SASL = &kafka.SASLOptions{Mechanism: s.Mechanism, User: s.User, Password: kafka.Secret(password), TokenFile: s.TokenFile}
	}
	return c, nil
}

// secret is a password from its variable or its file.
func secret(value pipeline.Secret, file string) (string, error) {
	if file == "" {
		return string(value), nil
	}
	text, err := os.ReadFile(file)
	return strings.TrimRight(string(text), "\r\n"), err
}

func openRegistry(p *pipeline.Pipeline) (*avro.Registry, error) {
	r := p.Kafka.Registry
	if r == nil {
		return nil, schema.WithHint(errors.New("a registry is used, but none is named"), "add `registry: {url: ..}` under `kafka:`")
	}
	password, err := secret(r.Password, r.PasswordFile)
	if err != nil {
		return nil, err
	}
	var opts []sr.ClientOpt
	if r.TLS != nil {
		conf, err := tlsConfig(r.TLS)
		if err != nil {
			return nil, err
		}
		opts = append(opts, sr.HTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: conf, Proxy: http.ProxyFromEnvironment}}))
	}
	return avro.Dial([]string{r.URL}, r.User, password, opts...)
}

func tlsConfig(t *pipeline.TLS) (*tls.Config, error) {
	conf := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
