//go:build integration

package kafka

import (
	"testing"

	"github.com/lockstep-data/lockstep/fixtures/services"
)

func TestReal(t *testing.T) {
	conformance(t, func(t testing.TB) *cluster { return newCluster(t, services.Kafka(t)) })
	t.Run("sink", func(t *testing.T) {
		sinkConformance(t, func(t testing.TB) *cluster { return newCluster(t, services.Kafka(t)) })
	})
}

func BenchmarkRealConsumeDecode(b *testing.B) { benchConsume(b, newCluster(b, services.Kafka(b))) }

func BenchmarkRealEncodeProduce(b *testing.B) { benchProduce(b, newCluster(b, services.Kafka(b))) }
