package pipeline

// takeRate is the example of the design.
const takeRate = `pipeline: take_rate
streams:
  impressions:
    time: shown_at                   # event time
    disorder: 10m
    id: [impression_id]
    kafka: {topic: impressions, format: avro}
    schema: impression.avsc
    lake: s3://lake/impressions/dt=*/*.parquet
  playbacks:
    time: played_at
    disorder: 10m
    id: [playback_id]
    kafka: {topic: playbacks, format: json}
    lake: s3://lake/playbacks/**/*.parquet
tables:
  customers: {key: [customer_id], lake: s3://lake/customers/*.parquet, versions: valid_from}
  devices:   {key: [device_id], lake: devices.csv}
kafka: {brokers: ["localhost:9092"]}
query: |
  SELECT i.impression_id, i.profile_id, i.title_id, i.shown_at, c.plan, d.family,
         p.playback_id, p.duration_ms,
         CASE WHEN p.duration_ms >= 120000 THEN 'play' WHEN p.playback_id IS NOT NULL THEN 'peek' END AS outcome
  FROM impressions i
  LEFT JOIN playbacks p
    ON p.profile_id = i.profile_id AND p.title_id = i.title_id
   AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR
  LEFT JOIN customers FOR SYSTEM_TIME AS OF i.shown_at AS c ON c.customer_id = i.profile_id    -- versioned
  LEFT JOIN devices d ON d.device_id = i.device_id
outputs:
  plays: {where: outcome = 'play', lake: s3://out/plays/, kafka: {topic: plays, key: [profile_id]}}
  all:   {lake: s3://out/all/}
validate:
  key: [impression_id, playback_id]
  columns: {duration_ms: {relative: 1e-9}}
`
