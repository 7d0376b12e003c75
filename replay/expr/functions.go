package expr

// Function is a row of the table of functions in the documentation.
type Function struct {
	Name      string
	Signature string
	// Type is the rule for the type of the result.
	Type string
	Doc  string
	// Example is an expression over constants, and Result its value cast to STRING.
	Example, Result string
}

// Functions is every function of the query, in the order of the documentation.
func Functions() []Function { return append([]Function(nil), functions...) }

var functions []Function
