package pipeline

func (b *builder) kafka(v *value) {
	k := &b.p.Kafka
	if v == nil {
		v = &value{field: lookup(root.fields, "kafka")}
	}
	k.Brokers = b.list(v, "brokers")
	k.ClientID, k.Group, k.Delivery = b.text(v, "client_id"), b.text(v, "group"), b.text(v, "delivery")
	if k.Group == "" {
		k.Group = "lockstep-" + b.p.Name
	}
	k.TLS = b.tls(v.get("tls"))
	if s := v.get("sasl"); s != nil {
		k.SASL = &SASL{Mechanism: b.text(s, "mechanism"), User: b.text(s, "user"), Password: Secret(b.text(s, "password")),
			PasswordFile: b.path(s, "password_file"), TokenFile: b.path(s, "token_file")}
		b.sasl(s, k.SASL.Mechanism)
	}
	if r := v.get("registry"); r != nil {
		k.Registry = &Registry{URL: b.text(r, "url"), User: b.text(r, "user"), Password: Secret(b.text(r, "password")),
			PasswordFile: b.path(r, "password_file"), TLS: b.tls(r.get("tls"))}
		b.passwords(r)
		if (r.has("password") || r.has("password_file")) != r.has("user") {
			b.problem(r.at, "registry: user and password come together", "write user: NAME and password: ${REGISTRY_PASSWORD}")
		}
	}
}

func (b *builder) tls(v *value) *TLS {
	if v == nil {
		return nil
	}
	if v.has("cert") != v.has("key") {
		b.problem(v.at, "tls: cert and key come together", "write cert: client.pem and key: client.key")
	}
	return &TLS{CA: b.path(v, "ca"), Cert: b.path(v, "cert"), Key: b.path(v, "key"), ServerName: b.text(v, "server_name")}
}

func (b *builder) passwords(v *value) {
	if v.has("password") && v.has("password_file") {
		b.problem(b.child(v, "password_file"), "password and password_file, of which one counts", "delete one of them")
	}
}

func (b *builder) sasl(v *value, mechanism string) {
	b.passwords(v)
	if mechanism == "" {
		return
	}
	if mechanism == "OAUTHBEARER" {
		if !v.has("token_file") {
			b.problem(v.at, "OAUTHBEARER has no token_file", "write token_file: FILE")
		}
		for _, name := range []string{"user", "password", "password_file"} {
			if v.has(name) {
				b.problem(b.child(v, name), name+" has no effect with OAUTHBEARER", "delete it")
			}
		}
		return
	}
	if !v.has("user") {
		b.problem(v.at, mechanism+" has no user", "write user: NAME")
	}
	if !v.has("password") && !v.has("password_file") {
		b.problem(v.at, mechanism+" has no password", "write password: ${KAFKA_PASSWORD}, or password_file: FILE")
	}
	if v.has("token_file") {
		b.problem(b.child(v, "token_file"), "token_file has no effect with "+mechanism, "delete it, or write mechanism: OAUTHBEARER")
	}
}
