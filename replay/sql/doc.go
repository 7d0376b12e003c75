// Package sql is the query: one text, checked against the streams and tables it names, becomes a typed plan.
//
// The rule it keeps: a query means the same wherever it runs. What Flink SQL would answer is what the plan
// answers; what cannot be answered so, or would depend on when it runs, is refused by name with its line, its
// column and what to write instead. All problems of a query are reported, not only the first.
//
//	plan, problems := sql.Compile("SELECT i.id, p.ms FROM impressions i LEFT JOIN playbacks p "+
//		"ON p.id = i.id AND p.at BETWEEN i.at AND i.at + INTERVAL '4' HOUR", catalog)
//	fmt.Print(plan)
package sql
