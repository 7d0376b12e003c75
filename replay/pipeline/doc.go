// Package pipeline is the pipeline file: what it may say, whether it is right, and what it means.
//
// The rule it keeps: nothing is guessed and nothing is silently ignored. A field that is not declared, a value
// that does not fit and a name that leads nowhere are problems; all of them are reported at once, each with
// its line, its column and what to write instead. The declaration in fields.go is the only one: strict
// decoding, docs/pipeline.md, docs/pipeline.schema.json and `lockstep help pipeline` come from it.
//
// Load reads the text; Check looks at the data's types and binds the query:
//
//	p, problems := pipeline.Load("take_rate.yaml", text, env)
//	if !pipeline.Failed(problems) {
//		checked, more := pipeline.Check(ctx, p, finder)
//		problems = append(problems, more...)
//	}
package pipeline
