package kafka

import "testing"

func TestEmbedded(t *testing.T) {
	conformance(t, func(t testing.TB) *cluster { return fakeCluster(t) })
	t.Run("sink", func(t *testing.T) { sinkConformance(t, func(t testing.TB) *cluster { return fakeCluster(t) }) })
}
