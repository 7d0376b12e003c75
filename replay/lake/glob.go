package lake

import (
	"fmt"
	"path"
	"strings"
)

// glob is a pattern cut at its slashes, so that ** can stand for any number of folders.
type glob struct {
	// root is the folder above the first part that is not literal.
	root  string
	parts []string
}

func compileGlob(pattern string) (*glob, error) {
	parts := strings.Split(pattern, "/")
	i := 0
	for i < len(parts)-1 && !strings.ContainsAny(parts[i], "*?[") {
		i++
	}
	for _, p := range parts {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("the glob has a malformed part %q", p)
		}
	}
	root := strings.Join(parts[:i], "/")
	if root == "" && strings.HasPrefix(pattern, "/") {
		root = "/"
	}
	return &glob{root: root, parts: parts}, nil
}

// matches tells whether key is matched itself, or lies below a folder that is.
func (g *glob) matches(key string) (direct, below bool) {
	names := strings.Split(key, "/")
	if matchParts(g.parts, names, false) {
		return true, false
	}
	for i := len(names) - 1; i > 0; i-- {
		if hidden(names[i]) {
			return false, false
		}
		if matchParts(g.parts, names[:i], false) {
			return false, true
		}
	}
	return false, false
}

// enters reports whether files below dir can match.
func (g *glob) enters(dir string) bool {
	names := strings.Split(dir, "/")
	if matchParts(g.parts, names, true) {
		return true
	}
	_, below := g.matches(dir + "/x")
	return below
}

// matchParts matches whole paths, or with prefix the beginning of one. A wildcard never matches a name that
// begins with _ or .
func matchParts(parts, names []string, prefix bool) bool {
	for len(names) > 0 {
		if len(parts) == 0 {
			return false
		}
		if parts[0] == "**" {
			if matchParts(parts[1:], names, prefix) {
				return true
			}
			if hidden(names[0]) {
				return false
			}
			names = names[1:]
			continue
		}
		if hidden(names[0]) && !hidden(parts[0]) && parts[0] != names[0] {
			return false
		}
		if ok, _ := path.Match(parts[0], names[0]); !ok && parts[0] != names[0] {
			return false
		}
		parts, names = parts[1:], names[1:]
	}
	if prefix {
		return true
	}
	for len(parts) > 0 && parts[0] == "**" {
		parts = parts[1:]
	}
	return len(parts) == 0
}
