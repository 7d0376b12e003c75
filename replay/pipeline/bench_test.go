package pipeline

import "testing"

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Load("p.yaml", []byte(sound), nil)
	}
}
