package lake

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// Vault keeps checkpoints in a folder or below an s3:// address.
type Vault struct{ place Place }

var _ replay.Vault = Vault{}

// OpenVault understands the address of a checkpoint place; it need not exist.
func OpenVault(ctx context.Context, text string, env map[string]string) (Vault, error) {
	p, err := Open(ctx, text, env)
	if err != nil {
		return Vault{}, err
	}
	if strings.ContainsAny(p.path, "*?[") {
		return Vault{}, schema.WithHint(fmt.Errorf("checkpoint %s: a glob is no place for checkpoints", text), "name a folder")
	}
	if obj, dir, err := p.store.stat(ctx, p.path); err == nil && !dir && p.path != "" {
		return Vault{}, schema.WithHint(fmt.Errorf("checkpoint %s: %s is a file", text, obj.Name), "name a folder")
	}
	return Vault{p.folder()}, nil
}

// String is the place as the user wrote it.
func (v Vault) String() string { return v.place.text }

func (v Vault) key(name string) string { return path.Join(v.place.path, name) }

// Create makes a file that must not be there yet.
func (v Vault) Create(ctx context.Context, name string, data []byte) error {
	return v.place.store.putNew(ctx, v.key(name), data)
}

// Put makes or replaces a file.
func (v Vault) Put(ctx context.Context, name string, data []byte) error {
	return v.place.store.put(ctx, v.key(name), data)
}

// Get reads a file.
func (v Vault) Get(ctx context.Context, name string) ([]byte, error) {
	return v.place.store.get(ctx, v.key(name))
}

// Remove removes a file.
func (v Vault) Remove(ctx context.Context, name string) error {
	return v.place.store.remove(ctx, v.key(name))
}

// List gives the names of all files below a folder, sorted, also of those that a crash left half written (.tmp); none
// where there is no folder.
func (v Vault) List(ctx context.Context, dir string) ([]string, error) {
	var out []string
	root := v.key(dir)
	err := v.place.store.walk(ctx, root, func(string) bool { return true }, func(o Object) {
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(o.key, v.place.path), "/"))
	})
	if isMissing(err) {
		err = nil
	}
	slices.Sort(out)
	return out, err
}
