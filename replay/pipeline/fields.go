package pipeline

// kind is how a field's value is written.
type kind string

const (
	kindText       kind = "text"
	kindName       kind = "name"       // letters, digits and _; a name in the query
	kindLabel      kind = "label"      // as a name, and also - and . inside
	kindPath       kind = "path"       // a file, a folder, a glob or s3://
	kindColumn     kind = "column"     // a column's name
	kindExpression kind = "expression" // SQL that is true or false
	kindQuery      kind = "query"      // SQL
	kindType       kind = "type"
	kindDuration   kind = "duration"
	kindNumber     kind = "number"
	kindInteger    kind = "whole number"
	kindBoolean    kind = "true or false"
	kindChoice     kind = "one of"
	kindSecret     kind = "secret"
	kindURL        kind = "url"
	kindList       kind = "list"          // of texts, each checked as item
	kindSection    kind = "section"       // of declared fields
	kindNamed      kind = "named entries" // each a value of item: sections, types
)

// field declares one field of the pipeline file. Decoding, checks, the manual, the editors' schema and the
// help text read it; no field exists elsewhere.
type field struct {
	name string
	kind kind
	// item is the kind of a list's texts or of the values of named entries; key is that of their names.
	item, key kind
	// noun is what one of the named entries is called.
	noun     string
	required bool
	// fallback is the value that holds when the field is not written; shown, and decoded where it is a value
	// of the field's kind (a fallback in parentheses is prose).
	fallback string
	// choices are the values of a choice, and the words that another kind also takes.
	choices []string
	// least and most bound numbers, and durations in seconds.
	least, most float64
	bounded     bool
	// orTrue lets `true` stand for a section with all defaults.
	orTrue  bool
	doc     string
	example string
	since   string
	fields  []field
}

const (
	since1   = "0.1"
	century  = 36500 * 86400
	wordWait = "wait"
	wordAuto = "auto"
	wordOff  = "off"
)

// root is the whole file.
var root = field{name: "", kind: kindSection, doc: "A pipeline: what is read, one SQL query over it, and where the answer goes.", fields: []field{
	{name: "pipeline", kind: kindLabel, required: true, since: since1, example: "pipeline: take_rate",
		doc: "The pipeline's name. Checkpoints and the consumer group carry it."},
	{name: "streams", kind: kindNamed, item: kindSection, key: kindName, noun: "stream", required: true, since: since1, fields: streamFields,
		example: "streams:\n  playbacks:\n    time: played_at\n    disorder: 10m\n    lake: s3://lake/playbacks/**/*.parquet",
		doc:     "The inputs that have an event time, each under the name that the query calls it by."},
	{name: "tables", kind: kindNamed, item: kindSection, key: kindName, noun: "table", since: since1, fields: tableFields,
		example: "tables:\n  devices: {key: [device_id], lake: devices.csv}",
		doc:     "The inputs that rows are looked up in, each under the name that the query calls it by."},
	{name: "kafka", kind: kindSection, since: since1, fields: kafkaFields,
		example: "kafka: {brokers: [\"localhost:9092\"]}",
		doc:     "The Kafka cluster that topics of streams and outputs are on. Needed where a run reads or writes Kafka."},
	{name: "query", kind: kindQuery, required: true, since: since1,
		example: "query: |\n  SELECT i.impression_id, p.playback_id\n  FROM impressions i\n  LEFT JOIN playbacks p\n    ON p.title_id = i.title_id\n   AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR",
		doc:     "What to compute: one SQL query in the form that Flink SQL and Spark share. Write it as a block (`|`), so that problems in it have their line."},
	{name: "on_error", kind: kindChoice, choices: []string{"fail", "null", "reject"}, fallback: "fail", since: since1,
		example: "on_error: reject",
		doc:     "What happens to a row for which an expression has no value (overflow, division by zero, a failing CAST): `fail` ends the run and names the row, `null` makes the expression NULL, `reject` sets the row aside in `_rejected` with the reason."},
	{name: "outputs", kind: kindNamed, item: kindSection, key: kindLabel, noun: "output", since: since1, fields: outputFields,
		fallback: "(one output named rows, with everything)",
		example:  "outputs:\n  plays: {where: outcome = 'play', lake: s3://out/plays/}\n  all:   {lake: s3://out/all/}",
		doc:      "Where the answer goes. Every output sees every row of the query and keeps those for which its `where` is TRUE."},
	{name: "validate", kind: kindSection, since: since1, fields: validateFields,
		example: "validate:\n  key: [impression_id, playback_id]\n  columns: {score: {relative: 1e-9}}",
		doc:     "How two results of this pipeline are compared by `lockstep validate FILE LEFT RIGHT`."},
}}

var streamFields = []field{
	{name: "time", kind: kindColumn, required: true, since: since1, example: "time: shown_at",
		doc: "The column that says when the event happened: a timestamp. A row in which it is NULL is rejected with a reason."},
	{name: "disorder", kind: kindDuration, fallback: "0s", least: 0, most: century, bounded: true, since: since1, example: "disorder: 10m",
		doc: "How far a row may be behind the newest row before it in its partition and still count. A row that is further behind is late: it is set aside in `_late`, never processed and never lost. State and delay grow with it."},
	{name: "ahead", kind: kindDuration, fallback: "1h", least: 0, most: century, bounded: true, since: since1, example: "ahead: 5m",
		doc: "How far an event time may lie after the record's own broker timestamp. A later one is taken for a broken clock: the row is rejected with a reason and does not move the watermark."},
	{name: "id", kind: kindList, item: kindColumn, since: since1, example: "id: [impression_id]",
		doc: "The columns that name an event. Two rows with the same `id` whose times lie `within` each other are one event; the copy is counted and dropped, and kept in `_conflicts` when another column differs. A NULL in the `id` makes the row an event of its own. Left out: no row is a duplicate."},
	{name: "within", kind: kindDuration, fallback: "(the stream's disorder)", least: 0, most: century, bounded: true, since: since1, example: "within: 1h",
		doc: "How far apart the times of two rows with one `id` may lie for them to be the same event."},
	{name: "idle", kind: kindDuration, choices: []string{wordWait}, fallback: wordWait, least: 0.001, most: century, bounded: true, since: since1, example: "idle: 30s",
		doc: "What a partition without new rows does to the others: `wait` holds them back until it moves; a duration lets them go on without it after that time. The latter is a decision: it is written to the run's log and replayed by later runs."},
	{name: "align", kind: kindDuration, choices: []string{wordAuto, wordOff}, fallback: wordAuto, least: 0.001, most: century, bounded: true, since: since1, example: "align: 10m",
		doc: "How far this stream may be read ahead of the slowest one in event time, so that a stream which is behind does not fill the state. `auto` aligns bounded replays and leaves live ones alone; `off` never aligns."},
	{name: "columns", kind: kindNamed, item: kindType, key: kindColumn, noun: "column", since: since1, fallback: "(from the schema, else from the lake's files)",
		example: "columns: {impression_id: string, price: \"decimal(12,2)\", shown_at: timestamp(ms)}",
		doc:     "The columns that are read, with their types. They come first; an Avro schema or a lake that says otherwise is a problem. Types: bigint, int, smallint, float, double, decimal(p,s), boolean, string, varchar(n), bytes, date, timestamp, timestamp(s|ms|us|ns) for a number since 1970, array<t>, map<k,v>, struct<a: t>."},
	{name: "schema", kind: kindPath, since: since1, example: "schema: schemas/impression.avsc",
		doc: "A file with the stream's Avro schema. It gives the types, and it is the schema that plain Avro records are written with. A column that a file of the lake lacks is NULL there."},
	{name: "kafka", kind: kindSection, since: since1, fields: streamKafkaFields, example: "kafka: {topic: impressions, format: avro}",
		doc: "The topic that the stream comes from live. A stream needs `kafka`, `lake`, or both."},
	{name: "lake", kind: kindPath, since: since1, example: "lake: s3://lake/impressions/dt=*/*.parquet",
		doc: "The Parquet files that the stream comes from in a batch: a file, a folder (all `*.parquet` below it), or a glob with `*`, `**`, `?` and `[ ]`; `dt=2026-11-01` in a path is a column."},
	{name: "lanes", kind: kindChoice, choices: []string{"positions", "file"}, fallback: "positions", since: since1, example: "lanes: file",
		doc: "What lateness is judged along when the lake is read as a stream: `positions` are the partitions and offsets the rows were captured with; `file` takes each file's own row order, for files that have no positions. The report says so."},
	{name: "positions", kind: kindSection, since: since1, fields: positionFields, example: "positions: {partition: kafka_partition, offset: kafka_offset, timestamp: kafka_time}",
		doc: "The names of the lake's columns that say where in Kafka a row came from, when they are not those of `lockstep capture`. They are not columns of the stream."},
	{name: "on_bad_record", kind: kindChoice, choices: []string{"fail", "reject"}, fallback: "fail", since: since1, example: "on_bad_record: reject",
		doc: "What happens to a Kafka record that is no row (JSON that is none, an unknown schema id): `fail` ends the run and names topic, partition and offset; `reject` sets it aside in `_rejected`."},
}

var positionFields = []field{
	{name: "partition", kind: kindColumn, fallback: "_partition", since: since1, example: "partition: kafka_partition", doc: "The column with the record's partition: int."},
	{name: "offset", kind: kindColumn, fallback: "_offset", since: since1, example: "offset: kafka_offset", doc: "The column with the record's offset: bigint."},
	{name: "timestamp", kind: kindColumn, fallback: "_timestamp", since: since1, example: "timestamp: kafka_time", doc: "The column with the broker's timestamp of the record: timestamp."},
}

var streamKafkaFields = []field{
	{name: "topic", kind: kindText, required: true, since: since1, example: "topic: impressions", doc: "The topic. Partitions that are added later are found."},
	{name: "format", kind: kindChoice, choices: []string{"json", "avro", "protobuf"}, fallback: "json", since: since1, example: "format: avro",
		doc: "How a record's value is written. Avro needs the stream's `schema` or a registry; Protobuf needs a registry."},
	framingField,
	{name: "subject", kind: kindText, fallback: "(the topic, with -value)", since: since1, example: "subject: impressions-value",
		doc: "The subject under which the registry keeps the stream's schema."},
}

var framingField = field{name: "framing", kind: kindChoice, choices: []string{wordAuto, "plain", "registry"}, fallback: wordAuto, since: since1, example: "framing: plain",
	doc: "Whether a value begins with the registry's five bytes (a zero and the schema's id): `registry` yes, `plain` no, `auto` yes for Avro and Protobuf when `kafka.registry` is given."}

var tableFields = []field{
	{name: "key", kind: kindList, item: kindColumn, required: true, since: since1, example: "key: [customer_id]",
		doc: "The columns that a row is looked up by. Two rows with one key are an error unless `versions` tells them apart."},
	{name: "lake", kind: kindPath, required: true, since: since1, example: "lake: devices.csv",
		doc: "The files that hold the table: Parquet, CSV with a header, or NDJSON; a file, a folder or a glob."},
	{name: "format", kind: kindChoice, choices: []string{wordAuto, "parquet", "csv", "ndjson"}, fallback: wordAuto, since: since1, example: "format: csv",
		doc: "What the files are; `auto` goes by their names."},
	{name: "versions", kind: kindColumn, since: since1, example: "versions: valid_from",
		doc: "The timestamp column at which a version of a row starts. A look-up then takes the version that held at the left row's event time."},
	{name: "columns", kind: kindNamed, item: kindType, key: kindColumn, noun: "column", since: since1, fallback: "(from the files)",
		example: "columns: {device_id: string, family: string}",
		doc:     "The columns that are read, with their types, as in a stream. CSV without it is typed by the whole file."},
}

var kafkaFields = []field{
	{name: "brokers", kind: kindList, item: kindText, required: true, since: since1, example: "brokers: [\"localhost:9092\"]",
		doc: "Addresses to start from, host:port."},
	{name: "client_id", kind: kindText, fallback: "lockstep", since: since1, example: "client_id: take-rate", doc: "What brokers see in their logs and quotas."},
	{name: "group", kind: kindText, fallback: "(lockstep- and the pipeline's name)", since: since1, example: "group: take-rate",
		doc: "The consumer group, and transactional id, under which `exactly-once` commits positions."},
	{name: "delivery", kind: kindChoice, choices: []string{"exactly-once", "at-least-once"}, fallback: "at-least-once", since: since1, example: "delivery: at-least-once",
		doc: "How Kafka outputs are written: `at-least-once` never loses a row, but a run that is started again repeats what it had written; `exactly-once` commits each epoch in a transaction and needs `replay --checkpoint`."},
	{name: "tls", kind: kindSection, orTrue: true, since: since1, fields: tlsFields, example: "tls: {ca: /etc/kafka/ca.pem}",
		doc: "Encrypts connections. `true` trusts the system's authorities."},
	{name: "sasl", kind: kindSection, since: since1, fields: saslFields, example: "sasl: {mechanism: SCRAM-SHA-512, user: lockstep, password_file: /run/secrets/kafka}",
		doc: "Authenticates connections."},
	{name: "registry", kind: kindSection, since: since1, fields: registryFields, example: "registry: {url: \"http://localhost:8081\"}",
		doc: "The schema registry."},
}

var tlsFields = []field{
	{name: "ca", kind: kindPath, since: since1, example: "ca: ca.pem", fallback: "(the system's)", doc: "A PEM file with the authorities to trust."},
	{name: "cert", kind: kindPath, since: since1, example: "cert: client.pem", doc: "A PEM file with the client's certificate; with `key`."},
	{name: "key", kind: kindPath, since: since1, example: "key: client.key", doc: "A PEM file with the client's key; with `cert`."},
	{name: "server_name", kind: kindText, since: since1, example: "server_name: kafka.internal", fallback: "(the address's host)", doc: "The name that the server's certificate must have."},
}

var saslFields = []field{
	{name: "mechanism", kind: kindChoice, choices: []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"}, required: true, since: since1, example: "mechanism: SCRAM-SHA-512",
		doc: "How the client proves who it is."},
	{name: "user", kind: kindText, since: since1, example: "user: lockstep", doc: "The user; for all mechanisms but OAUTHBEARER."},
	passwordField, passwordFileField,
	{name: "token_file", kind: kindPath, since: since1, example: "token_file: /run/secrets/token", doc: "The file with the bearer token of OAUTHBEARER; read again at every authentication."},
}

var passwordField = field{name: "password", kind: kindSecret, since: since1, example: "password: ${KAFKA_PASSWORD}",
	doc: "The password, as a variable of the environment. A literal one is refused, because pipeline files are shared."}

var passwordFileField = field{name: "password_file", kind: kindPath, since: since1, example: "password_file: /run/secrets/kafka",
	doc: "The file with the password; a line end behind it does not count."}

var registryFields = []field{
	{name: "url", kind: kindURL, required: true, since: since1, example: "url: http://localhost:8081", doc: "The registry's address."},
	{name: "user", kind: kindText, since: since1, example: "user: lockstep", doc: "The user for basic authentication."},
	passwordField, passwordFileField,
	{name: "tls", kind: kindSection, orTrue: true, since: since1, fields: tlsFields, example: "tls: {ca: ca.pem}", doc: "Authorities and a client certificate for an https address."},
}

var outputFields = []field{
	{name: "where", kind: kindExpression, since: since1, fallback: "(every row)", example: "where: outcome = 'play'",
		doc: "A condition over the query's columns; the output keeps the rows for which it is TRUE."},
	{name: "lake", kind: kindPath, since: since1, example: "lake: s3://out/plays/", doc: "The folder that Parquet files are written to when the run names no other place."},
	{name: "kafka", kind: kindSection, since: since1, fields: outputKafkaFields, example: "kafka: {topic: plays, key: [profile_id]}", doc: "The topic that rows are written to."},
}

var outputKafkaFields = []field{
	{name: "topic", kind: kindText, required: true, since: since1, example: "topic: plays", doc: "The topic. It must exist."},
	{name: "key", kind: kindList, item: kindColumn, since: since1, fallback: "(no key)", example: "key: [profile_id]",
		doc: "The columns that make the record's key, so that rows with one key keep their order. One column is written as its text, several as a JSON object."},
	{name: "format", kind: kindChoice, choices: []string{"json", "avro"}, fallback: "json", since: since1, example: "format: avro",
		doc: "How a row is written."},
	framingField,
	{name: "subject", kind: kindText, fallback: "(the topic, with -value)", since: since1, example: "subject: plays-value", doc: "The subject under which the registry keeps the output's schema."},
}

var validateFields = []field{
	{name: "key", kind: kindList, item: kindColumn, required: true, since: since1, example: "key: [impression_id, playback_id]",
		doc: "The columns that name a row of the result. Parts of it may be NULL, and NULL equals NULL."},
	{name: "time", kind: kindColumn, since: since1, example: "time: shown_at", doc: "The result's time column. With it, rows beyond the point that both sides have reached are pending, not different."},
	{name: "settle", kind: kindDuration, fallback: "0s", least: 0, most: century, bounded: true, since: since1, example: "settle: 1h",
		doc: "How long before the lesser of both sides' newest times rows still count as pending; needs `time`."},
	{name: "fail_on", kind: kindList, item: kindText, since: since1, fallback: "[any]", example: "fail_on: [unexplained, \"rate>0.01%\", \"total:rate>0.1%\"]",
		doc: "What makes `lockstep validate` exit with 1: `any` difference, `unexplained` ones, or more than a share of the rows, or of a column's cells. The flag `--fail-on` wins."},
	{name: "columns", kind: kindNamed, item: kindSection, key: kindColumn, noun: "column", since: since1, fields: toleranceFields, fallback: "(all exact)",
		example: "columns: {score: {relative: 1e-9}}", doc: "What a column may differ by. A column that is not named is compared exactly."},
}

var toleranceFields = []field{
	{name: "absolute", kind: kindNumber, least: 0, most: 1e300, bounded: true, since: since1, example: "absolute: 0.01", doc: "The greatest difference, inclusive."},
	{name: "relative", kind: kindNumber, least: 0, most: 1, bounded: true, since: since1, example: "relative: 1e-9", doc: "The greatest difference as a part of the larger of both values, inclusive."},
	{name: "ulp", kind: kindInteger, least: 0, most: 1 << 53, bounded: true, since: since1, example: "ulp: 2", doc: "The greatest distance in representable numbers, for float and double."},
	{name: "decimals", kind: kindInteger, least: 0, most: 38, bounded: true, since: since1, example: "decimals: 2", doc: "Digits behind the point that are compared, after rounding."},
	{name: "within", kind: kindDuration, least: 0, most: century, bounded: true, since: since1, example: "within: 1s", doc: "The greatest distance of two times."},
	{name: "null_as", kind: kindText, since: since1, example: "null_as: ''", doc: "The value that NULL equals."},
	{name: "trim", kind: kindBoolean, fallback: "false", since: since1, example: "trim: true", doc: "White space around text does not count."},
	{name: "case", kind: kindBoolean, fallback: "false", since: since1, example: "case: true", doc: "Upper and lower case are the same."},
	{name: "unordered", kind: kindBoolean, fallback: "false", since: since1, example: "unordered: true", doc: "A list's order does not count."},
	{name: "as", kind: kindType, since: since1, example: "as: double", doc: "The type that both sides are compared in."},
	{name: "ignore", kind: kindBoolean, fallback: "false", since: since1, example: "ignore: true", doc: "Anything passes. The report counts what differs as within."},
}
