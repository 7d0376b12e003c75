package validate

import (
	"fmt"
	"io"
	"strings"
)

// annotations is how many a step shows: GitHub takes ten of a kind.
const annotations = 10

// WriteGitHub writes workflow commands, which GitHub shows as annotations: the verdict, the columns that differ,
// the checks that failed. file, when not "", is what they point at. The step's summary is WriteMarkdown's.
func WriteGitHub(w io.Writer, res *Result, file string) error {
	var b strings.Builder
	left := annotations
	say := func(level, title, text string) {
		if left--; left >= 0 {
			b.WriteString(command(level, file, title, text))
		}
	}
	switch res.Verdict {
	case Equal:
		say("notice", headline(res), sentence(res))
	case Inconclusive:
		say("warning", headline(res), sentence(res))
	default:
		say("error", headline(res), sentence(res))
	}
	for _, f := range res.Schema {
		if f.Different {
			say("error", f.Column, f.Text)
		}
	}
	for _, u := range res.Uncomparable {
		say("error", u.Column, fmt.Sprintf("not compared: %s with %s, %s", u.TypeLeft, u.TypeRight, u.Reason))
	}
	for _, c := range res.Columns {
		if c.Different == 0 {
			continue
		}
		text := fmt.Sprintf("%d of %d differ", c.Different, c.Compared)
		for _, cause := range res.Causes {
			for _, line := range strings.Split(cause.Evidence, "; ") {
				if rest, ok := strings.CutPrefix(line, c.Name+": "); ok {
					text += "\n" + cause.Cause + ": " + rest
				}
			}
		}
		say("error", "column "+c.Name, text)
	}
	if u := res.Unexplained.Rows; u > 0 {
		say("warning", "unexplained", fmt.Sprintf("%d rows differ for no cause that was found", u))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteGitHubError writes the annotation of a comparison that could not be made.
func WriteGitHubError(w io.Writer, err error, hint, file string) error {
	_, werr := io.WriteString(w, command("error", file, "Could not compare", err.Error()+"\n"+hint))
	return werr
}

// command is a workflow command.
func command(level, file, title, text string) string {
	place := ""
	if file != "" {
		place = "file=" + commandProperty(file) + ","
	}
	return fmt.Sprintf("::%s %stitle=%s::%s\n", level, place, commandProperty(title), commandText(text))
}

// commandText escapes the text of a workflow command.
func commandText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// commandProperty escapes a property of a workflow command.
func commandProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
