package pipeline

import (
	"context"
	"strings"
	"testing"
)

// sound is a file without a problem; the cases below break it.
const sound = `pipeline: take_rate
streams:
  impressions:
    time: shown_at
    disorder: 10m
    id: [impression_id]
    columns: {impression_id: string, profile_id: bigint, shown_at: timestamp(ms), score: double}
    kafka: {topic: impressions, format: json}
    lake: in/*.parquet
  playbacks:
    time: played_at
    disorder: 10m
    columns: {playback_id: string, profile_id: bigint, played_at: timestamp}
    lake: pb/*.parquet
tables:
  customers: {key: [customer_id], lake: customers.csv, versions: valid_from, columns: {customer_id: bigint, plan: string, valid_from: timestamp}}
kafka: {brokers: ["localhost:9092"]}
query: |
  SELECT i.impression_id, i.shown_at, i.score, p.playback_id, c.plan
  FROM impressions i
  LEFT JOIN playbacks p ON p.profile_id = i.profile_id
   AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR
  LEFT JOIN customers FOR SYSTEM_TIME AS OF i.shown_at AS c ON c.customer_id = i.profile_id
outputs:
  plays: {where: playback_id IS NOT NULL, lake: out/plays, kafka: {topic: plays, key: [impression_id]}}
validate:
  key: [impression_id]
  columns: {score: {relative: 1e-9}}
`

func TestSoundFile(t *testing.T) {
	p, problems := Load("dir/take_rate.yaml", []byte(sound), nil)
	checked, more := Check(context.Background(), p, Finder{})
	if problems = append(problems, more...); len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	if checked.Plan == nil || len(checked.Plan.Fields) != 5 || len(checked.Where) != 1 || checked.Where[0] == nil {
		t.Fatalf("checked: %+v", checked)
	}
}

// Each case replaces a piece of the sound file. Every « in the new piece is where a problem is wanted, in the
// file's order; wants are "message | hint", each a part of what is said.
func TestMistakes(t *testing.T) {
	cases := []struct {
		name, old, new string
		wants          []string
	}{
		{"unknown field", "    disorder: 10m\n    id", "    «disordr: 10m\n    id", []string{"unknown field disordr in stream impressions | write disorder"}},
		{"unknown field by another name", "query: |", "x: 1\nquery: |", nil},
		{"field of another section", "    lake: pb", "    «topic: a\n    lake: pb", []string{"unknown field topic in stream playbacks | topic belongs in a stream's kafka or an output's kafka; the fields here are time, disorder"}},
		{"other systems' names", "    disorder: 10m\n    id", "    «watermark: 10m\n    disorder: 10m\n    id", []string{"unknown field watermark in stream impressions | write disorder: 10m"}},
		{"no pipeline", "pipeline: take_rate\nstreams:", "«streams:", []string{"the file has no pipeline | write pipeline: take_rate"}},
		{"no name", "pipeline: take_rate", "«pipeline:", []string{"pipeline has no value | write pipeline: take_rate"}},
		{"bad name", "pipeline: take_rate", "pipeline: «take rate", []string{`"take rate" is no name | letters, digits`}},
		{"boolean for text", "topic: impressions", "topic: «true", []string{"topic is text, not true or false | needs quotes"}},
		{"list for text", "time: played_at", "time: «[played_at]", []string{"time is a column, not a list | write time: shown_at"}},
		{"section for text", "time: played_at", "time: «{a: b}", []string{"time is a column, not a section | write time: shown_at"}},
		{"text for section", "kafka: {brokers: [\"localhost:9092\"]}", "kafka: «localhost:9092", []string{`kafka is a section, not "localhost:9092" | brokers: [`}},
		{"list for section", "validate:\n  key: [impression_id]\n  columns: {score: {relative: 1e-9}}", "validate:\n  «- key", []string{"validate is a section, not a list | write its fields below it"}},
		{"section for list", "id: [impression_id]", "id: «{a: b}", []string{"id is a list, not a section | write id: [impression_id]"}},
		{"empty list", "id: [impression_id]", "id: «[]", []string{"id is an empty list | or leave it out"}},
		{"twice in a list", "id: [impression_id]", "id: [impression_id, «impression_id]", []string{"id names impression_id twice | delete one"}},
		{"field twice", "    lake: pb/*.parquet", "    lake: pb/*.parquet\n    «lake: x", []string{"lake is there twice, first at line 14 | delete one"}},
		{"stream twice", "tables:", "  «playbacks: {time: t, lake: x}\ntables:", []string{"stream playbacks is there twice, first at line 10 | a name of its own"}},
		{"empty streams", sound[strings.Index(sound, "streams:"):strings.Index(sound, "tables:")], "streams: «{}\n", []string{"streams is empty | write streams:"}},
		{"name with a dash", "  playbacks:\n", "  «play-backs:\n", nil},
		{"duration without unit", "    disorder: 10m\n    id", "    disorder: «10\n    id", []string{"disorder: 10 has no unit | write 10s, 10m or 10h"}},
		{"duration of no kind", "    disorder: 10m\n    id", "    disorder: «10 minutes\n    id", []string{`disorder: "10 minutes" is no duration | 1h30m`}},
		{"negative duration", "    disorder: 10m\n    id", "    disorder: «-5m\n    id", []string{`disorder: "-5m" is negative | from 0s on`}},
		{"too fine", "    disorder: 10m\n    id", "    disorder: «0.1us\n    id", []string{"finer than a microsecond | whole microseconds"}},
		{"too long", "    disorder: 10m\n    id", "    disorder: «40000d\n    id", []string{"disorder: 40000d is not between 0s and 36500d | write disorder"}},
		{"idle of nothing", "    disorder: 10m\n    id", "    disorder: 10m\n    idle: «0s\n    id", []string{"idle: 0s is not between 1ms and 36500d | or wait"}},
		{"idle word", "    disorder: 10m\n    id", "    disorder: 10m\n    idle: «never\n    id", []string{`idle: "never" is no duration | 2d, or wait`}},
		{"align word", "    disorder: 10m\n    id", "    disorder: 10m\n    align: «on\n    id", []string{`align: "on" is no duration | or auto or off`}},
		{"choice", "format: json", "format: «jsn", []string{`format: "jsn" is not one of json, avro, protobuf | write format: json`}},
		{"on_error", "query: |", "on_error: «ignore\nquery: |", []string{`on_error: "ignore" is not one of fail, null, reject | write fail, null, reject`}},
		{"null that is none", "query: |", "on_error: «~\nquery: |", nil},
		{"lanes", "    lake: pb/*.parquet", "    lake: pb/*.parquet\n    lanes: «files", []string{`lanes: "files" is not one of positions, file | write lanes: file`}},
		{"type", "score: double}", "score: «long}", []string{`score: type "long": no such type: long | write bigint`}},
		{"decimal without digits", "score: double}", "score: «decimal}", []string{`"(" is missing before the end | decimal(12,2)`}},
		{"scheme", "lake: pb/*.parquet", "lake: «gs://b/pb", []string{"lake: gs:// cannot be read | AWS_ENDPOINT_URL"}},
		{"no bucket", "lake: pb/*.parquet", "lake: «s3:///pb", []string{"s3:///pb has no bucket | s3://bucket/path"}},
		{"variable not set", "lake: pb/*.parquet", "lake: a/«${NO_SUCH}/*.parquet", []string{"the environment has no NO_SUCH | ${NO_SUCH:-default}"}},
		{"variable not closed", "lake: pb/*.parquet", "lake: a/«${NO_SUCH", []string{"${ has no } | $${"}},
		{"variable without name", "lake: pb/*.parquet", "lake: a/«${1+1}", []string{"${1+1} names no variable | ${VAR}"}},
		{"literal password", `["localhost:9092"]}`, `["localhost:9092"], sasl: {mechanism: PLAIN, user: u, password: «hunter2}}`, []string{"password is written out in the file | password: ${KAFKA_PASSWORD}"}},
		{"password with a default", `["localhost:9092"]}`, `["localhost:9092"], sasl: {mechanism: PLAIN, user: u, password: «"${X:-hunter2}"}}`, []string{"password is written out in the file | password_file"}},
		{"mechanism in lower case", `["localhost:9092"]}`, `["localhost:9092"], sasl: {mechanism: «plain, user: u, password_file: f}}`, []string{`"plain" is not one of PLAIN | write mechanism: PLAIN`}},
		{"no password", `["localhost:9092"]}`, `["localhost:9092"], «sasl: {mechanism: PLAIN, user: u}}`, []string{"PLAIN has no password | password_file: FILE"}},
		{"no user", `["localhost:9092"]}`, `["localhost:9092"], «sasl: {mechanism: PLAIN, password_file: f}}`, []string{"PLAIN has no user | write user: NAME"}},
		{"token without its mechanism", `["localhost:9092"]}`, `["localhost:9092"], sasl: {mechanism: PLAIN, user: u, password_file: f, «token_file: t}}`, []string{"token_file has no effect with PLAIN | OAUTHBEARER"}},
		{"oauth without token", `["localhost:9092"]}`, `["localhost:9092"], «sasl: {mechanism: OAUTHBEARER}}`, []string{"OAUTHBEARER has no token_file | write token_file: FILE"}},
		{"user in a url", `["localhost:9092"]}`, `["localhost:9092"], registry: {url: «"http://u:p@host:8081"}}`, []string{"url has a user in it | ${VAR}"}},
		{"no url", `["localhost:9092"]}`, `["localhost:9092"], registry: {url: «localhost}}`, []string{`url: "localhost" is no http address | url: http://localhost:8081`}},
		{"cert without key", `["localhost:9092"]}`, `["localhost:9092"], «tls: {cert: c.pem}}`, []string{"cert and key come together | key: client.key"}},
		{"topic without brokers", "kafka: {brokers: [\"localhost:9092\"]}\n", "", nil},
		{"stream without a place", "    lake: pb/*.parquet\n", "", nil},
		{"within without id", "    lake: pb/*.parquet", "    lake: pb/*.parquet\n    «within: 5m", []string{"within has no effect without id | write id: [COLUMN]"}},
		{"policy without kafka", "    lake: pb/*.parquet", "    lake: pb/*.parquet\n    «on_bad_record: fail", []string{"on_bad_record has no effect without kafka | delete on_bad_record"}},
		{"no disorder", "    disorder: 10m\n    id", "    id", nil},
		{"subject without registry", "format: json}", "format: json, «subject: s}", []string{"subject has no effect | registry"}},
		{"framing without registry", "format: json}", "format: json, «framing: registry}", []string{"framing: registry, but no registry is given | kafka: {registry"}},
		{"table named as a stream", "  customers: {key: [customer_id], lake: customers.csv", "  «playbacks: {key: [customer_id], lake: x.csv, columns: {customer_id: bigint}}\n  customers: {key: [customer_id], lake: customers.csv",
			[]string{"playbacks is a table and a stream, at line 10 | a name of its own"}},
		{"table without key", "{key: [customer_id], lake: customers.csv, versions", "{lake: customers.csv, versions", nil},
		{"output is its input", "lake: out/plays", "«lake: pb/*.parquet", nil},
		{"output into a file", "lake: out/plays", "«lake: out/plays.parquet", []string{"plays.parquet is no folder | get names of their own"}},
		{"output to an input's topic", "topic: plays", "«topic: impressions", []string{"output plays would write to the topic of stream impressions | a topic of its own"}},
		{"outputs that differ in case", "validate:", "  «Plays: {lake: out/2}\nvalidate:", []string{"outputs plays and Plays are one folder | a name of its own"}},
		{"two outputs, one place", "validate:", "  all: {«lake: out/plays}\nvalidate:", []string{"output all would write where output plays is | a folder of its own"}},
		{"output name", "  plays: {", "  «_late: {", []string{`"_late" is no name for an output | a letter or digit first`}},
		{"time is no column", "time: played_at", "time: «playd_at", []string{"stream playbacks has no column playd_at | write played_at"}},
		{"time is no timestamp", "played_at: timestamp}", "played_at: bigint}", nil},
		{"id is no column", "id: [impression_id]", "id: [«imp]", []string{"stream impressions has no column imp | its columns are impression_id, profile_id"}},
		{"table key is no column", "key: [customer_id]", "key: [«customer]", []string{"table customers has no column customer | write customer_id"}},
		{"version is no time", "versions: valid_from", "versions: «plan", []string{"column plan of table customers is STRING, not a timestamp | name a column that is a timestamp"}},
		{"position as a column", "score: double}", "score: double, «_offset: bigint}", []string{"_offset is a position, not a column | map the position"}},
		{"unknown stream in the query", "FROM impressions i", "FROM «impresions i", []string{"no stream or table is called impresions | write impressions"}},
		{"unknown column in the query", "i.score, p", "«i.scor, p", []string{"scor | score"}},
		{"syntax of the query", "FROM impressions i", "FORM impressions i", nil},
		{"where over no column", "where: playback_id IS", "where: «playbak_id IS", []string{"playbak_id | playback_id"}},
		{"where that is no condition", "where: playback_id IS NOT NULL", "where: «playback_id", nil},
		{"output key", "key: [impression_id]}}", "key: [«profile_id]}}", []string{"the query has no column profile_id | "}},
		{"validate key", "  key: [impression_id]\n", "  key: [«impressionid]\n", []string{"the query has no column impressionid | write impression_id"}},
		{"validate column", "{score: {", "{«scores: {", []string{"the query has no column scores | write score"}},
		{"tolerance for another type", "{score: {relative: 1e-9}}", "{plan: {«relative: 1e-9}}", []string{"relative is for numbers, and column plan is STRING | delete it"}},
		{"tolerance out of bounds", "relative: 1e-9", "relative: «1.5", []string{"relative: 1.5 is not between 0 and 1 | write relative: 1e-9"}},
		{"tolerance that is no number", "relative: 1e-9", "relative: «tiny", []string{`relative is a number, not "tiny" | write relative: 1e-9`}},
		{"tolerance of a key", "{score: {relative: 1e-9}}", "{«impression_id: {trim: true}}", []string{"impression_id is part of the key | delete it here"}},
		{"no tolerance", "{score: {relative: 1e-9}}", "{«score: {}}", []string{"column score has no tolerance | {relative: 1e-9}"}},
		{"settle without time", "  key: [impression_id]\n", "  key: [impression_id]\n  «settle: 1h\n", []string{"settle has no effect without time | write time: COLUMN"}},
		{"unused stream", "tables:", "  «third: {time: t, disorder: 0s, columns: {t: timestamp}, lake: x/*.parquet}\ntables:", []string{"stream third is not in the query | delete it"}},
		{"alias without anchor", "time: played_at", "time: «*nothing", []string{"*nothing has no anchor before it | &nothing"}},
		{"second document", "validate:", "---\n«validate:", []string{"a second document in one file | a file of its own"}},
		{"several at once", "    time: played_at\n    disorder: 10m\n", "    tme: played_at\n    disorder: 10\n", nil},
	}
	// These change more than one piece, or want a position that is not in the new piece.
	wants := map[string][]string{
		"unknown field by another name": {`18:1: error: unknown field x | the fields here are pipeline, streams`},
		"null that is none":             {`18:1: error: on_error has no value | write on_error: reject`},
		"topic without brokers":         {`8:5: error: a topic, but the file has no kafka section | brokers`, `24:60: error: a topic, but the file has no kafka section | brokers`},
		"stream without a place":        {`10:3: error: stream playbacks has neither a topic nor a lake | lake: PLACE`},
		"no disorder":                   {`3:3: warning: stream impressions says no disorder | write disorder: 10m`},
		"table without key":             {`16:3: error: table customers has no key | write key: [customer_id]`},
		"output is its input":           {`25:43: error: output plays: pb/*.parquet is no folder | write the folder`, `25:43: error: output plays would write where stream playbacks is | a folder of its own`},
		"time is no timestamp":          {`11:11: error: column played_at of stream playbacks is BIGINT, not a timestamp | columns: {played_at: timestamp(ms), ...}`},
		"syntax of the query":           {`20:8: error: expected FROM, found impressions | did you mean FROM instead of FORM?`},
		"where that is no condition":    {`25:18: error: a condition takes a BOOLEAN, not STRING | IS NOT NULL`},
		"name with a dash":              {"10:3: error: \"play-backs\" is no name for a stream | write letters, digits and _, as the query does: play_backs", "21:13: error: no stream or table is called playbacks | the streams and tables are impressions, customers"},
		"several at once":               {`11:5: error: unknown field tme in stream playbacks | write time`, `12:15: error: disorder: 10 has no unit | 10m`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(sound, c.old) {
				t.Fatalf("the sound file has no %q", c.old)
			}
			text := strings.Replace(sound, c.old, c.new, 1)
			var at []string
			if want, ok := wants[c.name]; ok {
				text = strings.ReplaceAll(text, "«", "")
				c.wants = want
				for range want {
					at = append(at, "")
				}
			}
			for {
				i := strings.Index(text, "«")
				if i < 0 {
					break
				}
				line := text[strings.LastIndex(text[:i], "\n")+1 : i]
				at = append(at, place(strings.Count(text[:i], "\n")+1, len([]rune(line))+1))
				text = text[:i] + text[i+len("«"):]
			}
			p, problems := Load("take_rate.yaml", []byte(text), map[string]string{"HOME": "/home/u"})
			if p != nil {
				_, more := Check(context.Background(), p, Finder{})
				problems = Sort(append(problems, more...))
			}
			if len(problems) != len(c.wants) {
				t.Fatalf("got %d problems, want %d:\n%s", len(problems), len(c.wants), show(problems))
			}
			for i, want := range c.wants {
				message, hint, _ := strings.Cut(want, " | ")
				got := problems[i].String()
				head := "take_rate.yaml:" + at[i]
				ok := strings.HasPrefix(got, head)
				if at[i] == "" {
					var pos string
					pos, message, _ = strings.Cut(message, ": ")
					ok = strings.HasPrefix(got, head+pos)
				}
				if !ok || !strings.Contains(got, message) || !strings.Contains(problems[i].Hint, hint) || (problems[i].Hint == "" && hint != "") {
					t.Errorf("got\n%swant %s%s", show(problems[i:i+1]), head, want)
				}
				if strings.Contains(got+problems[i].Hint, "hunter2") {
					t.Error("the password is in the problem")
				}
			}
		})
	}
	if len(cases) < 40 {
		t.Errorf("only %d cases", len(cases))
	}
}

func place(line, col int) string {
	return strings.TrimPrefix(Problem{Line: line, Column: col}.Place(), ":") + ":"
}

func show(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString("  " + p.String() + " | " + p.Hint + "\n")
	}
	return b.String()
}
