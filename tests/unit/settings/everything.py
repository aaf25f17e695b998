"""A configuration in which every key that can be set is set to something else than its default."""

from __future__ import annotations

from typing import Final

EVERYTHING: Final = """\
fleet: {name: other}
pools:
  web:
    labels: {tier: front}
    min: 2
    max: 9
    protected: true
    rollout: {order: in_place, max_unavailable: 2, min_healthy: 10%, settle: 3s}
    bootstrap:
      packages: [curl]
      files: [{source: /dev/null, target: /etc/app.conf, mode: "600", owner: "app:app"}]
      commands: [{run: [a, 1], unless: [b], timeout: 1m}]
      ready: {command: [ok], timeout: 4s}
      within: 5m
    capacity: {cpu: 2, memory: 4GiB, other: {gpu: 1}}
    reserved: {cpu: 100m, memory: 256MiB, other: {gpu: 0.5}}
    taints: [{key: gpu, value: a100, effect: avoid}, spare]
  tiny: {provider: local, size: 2}
  cloud:
    provider: aws
    size: 3
    aws:
      region: eu-central-1
      zones: [eu-central-1a, {zone: eu-central-1b, subnet: subnet-0abc}]
      types: [m6i.large, m6a.large]
      image: ami-0abc
      launch_template: lt-0abc:3
      key_name: ours
      authorized_keys:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBseOsRzZ3q80MlV3++JrAj1iQpVOAvnuBvy7gQ87t8A me
      security_groups: [sg-0abc]
      instance_profile: nodes
      market: spot
      on_demand_fallback: false
      user: debian
      address: public
      root_volume: 20GiB
      tags: {team: web, cost center: 007x}
      endpoint: http://127.0.0.1:5000
      cooldown: 0s
nodes:
  - name: a
    address: 192.0.2.1
    agent_address: 198.51.100.1
    pool: web
    port: 23
    user: u
    identity_files: [/k]
    known_hosts_files: [/h]
    jump: b@c:24
    sudo: true
    supervisor: process
    base_dir: /opt
    labels: {x: 1}
    network_speed: 1.5Gbit/s
    use_ssh_config: false
    use_agent: false
    taints: ["gpu=a100:keep_off"]
    resources: {cpu: 3, memory: 5GiB, other: {gpu: 2}}
    reserved: {cpu: 1, memory: 1GiB, other: {gpu: 1}}
  - {name: b, pool: web}
  - {name: c, pool: web}
agents:
  ingest:
    command: [run, 1.10, true]
    replicas: 2
    pools: [web]
    nodes: [a, b]
    env: {A: 1}
    secrets: {T: {env: TT}, F: {file: f}}
    port: 80
    port_step: 2
    resources: {cpu: 500m, memory: 256MiB, other: {gpu: 0.5}}
    labels: {k: v}
    user: www
    ready: {http: {path: /r, method: HEAD, port: 81, timeout: 1s}, within: 2s, every: 3s}
    metrics: {path: /m, port: 82, response_time: a, throughput: b, errors: c, queue_length: d,
      utilization: e}
    drain: {signal: USR1, until: {tcp: {port: 83, timeout: 4s}}, deadline: 0s}
    checkpoint: {exec: {command: [c], timeout: 5s}}
    restore: {http: {path: /restore}}
    activate: {signal: USR2}
    reload: {signal: HUP}
    stop_signal: INT
    grace: 1m30s
    restart: false
    open_files: 1000
    rollout: {order: surge, max_unavailable: 50%, min_healthy: 1, settle: 1m}
    singleton: true
    lease: 2m
    migrate: {strategy: cold, state: false, standby: {tcp: {}}, rounds: 0, pause: 3s}
    checkpoints: {every: 1m, copies: 2, keep: 5}
    placement:
      selector:
        - {label: x, equals: 1, weight: 2}
        - {label: tier, in: [front, 7]}
        - {label: tier, not_in: back}
        - {label: tier, exists: true}
        - {label: spot, exists: false}
        - {label: x, greater: -1.5}
        - {label: x, less: 4}
      affinity: [{agents: {ids: ingest-1, specs: ingest, labels: {k: v}}, within: tier, weight: 1}]
      anti_affinity: [ingest, {agents: [ingest], within: x}]
      spread: [{across: tier, max_skew: 2, weight: 0.5}]
      redundancy: [{across: x, at_least: 3, weight: 0.25}]
      caps: {cpu: 70%, gpu: {at: 0.5, weight: 3}}
      tolerations: [gpu, gpu=a100, {key: spare, value: 1}]
      priority: -10
      preempts: true
      strategy: pack
ssh:
  user: s
  port: 25
  config_file: null
  identity_files: [/i]
  certificate_files: [/c]
  known_hosts_files: []
  use_agent: false
  parallel: 3
  starts_per_bastion: 4
  connect_timeout: 1500ms
  command_timeout: 2m
  run_timeout: 1h
  keepalive: 7s
  output_limit: 2KiB
  sudo: true
targets:
  agent_response_time_p95: 20ms
  message_throughput_per_second: 5.5
  cluster_availability: 99%
  resource_utilization: 0.5
  scaling_response_time: 1m
placement:
  strategy: cost
  weights: {resources: 0, affinity: 0.5, balance: 0.25, performance: 1}
  objectives: {latency: 1, throughput: 2, balance: 3, cost: 4}
  caps: {memory: 90%}
  throughput: 500
  latency: inverse
  rebalance: {goal: latency, max_moves: 3, move_cost: 1%}
guards: {max_destroy: 2, max_disruption: 100%}
prices: {m6i.large: 0.096, "spot:m6i.large": 0}
store: {s3: {bucket: ops, prefix: a/b, region: auto, endpoint: "https://s3.example.org", lease: 1m}}
routers:
  edge:
    kind: haproxy
    socket: /run/haproxy.sock
    node: a
    backends: {ingest: work}
    weight: 50
    slow_start: 10s
    check: 2s
    max_sessions: 40
    timeout: 3s
    test: [haproxy, -c]
    reload: [haproxy, -D]
metrics:
  store:
    kind: prometheus
    write_url: https://metrics.example.org/api/v1/write
    query_url: https://metrics.example.org
    token: {file: token}
    tenant: team
    ca_file: /ca.pem
    timeout: 20s
  collectors:
    - name: app
      kind: prometheus
      nodes: "a*"
      pools: [web]
      agents: [ingest]
      port: 9100
      path: /stats
      metrics: ["http_*"]
      timeout: 2s
    - {name: jobs, kind: statsd, command: [cat, /run/jobs]}
    - {name: cache, kind: redis, password: {env: REDIS}}
balancing:
  strategy: peak-ewma
  formula: simple
  interval: 20s
  least: 0.2
  most: 3
  step: 0.4
  most_change: 1.5
  dead_band: 5%
  half_life_rounds: 2
  blackout: 5s
  expiry: 2m
  error_penalty: 2
  rise: 3
  fall: 4
  most_ejected: 20%
  panic_below: 40%
  slow_start: 10s
alerts:
  defaults: false
  rules:
    queue:
      metric: queue_length
      of: agents
      pools: [web]
      direction: below
      warning: {at: 80%, clear: 0.9}
      critical: -5
      for: 1m
      keep_firing_for: 2m
      no_data: null
      on_no_data: end
      labels: {team: web}
    budget:
      metric: availability
      of: fleet
      pools: [web]
      budget:
        objective: 99%
        good: true
        weight: throughput
        windows: [{factor: 3, long: 2h, short: 10m, severity: warning}]
      for: 1m
      keep_firing_for: 2m
      no_data: 1h
      on_no_data: end
      labels: {team: web}
  receivers:
    am:
      alertmanager: {url: "http://127.0.0.1:9093", token: {env: AM}, expires: 5m}
      severity: critical
      match: pool=web
      group_by: [pool]
      repeat: 1h
      resolved: false
      timeout: 3s
      attempts: 5
    hook: {webhook: {url_from: {file: hook}, token: {env: HOOK}}}
    slack: {slack: {url_from: {env: SLACK}}}
    page: {command: [page, 1.10]}
    mail:
      email:
        server: mail.example.org
        port: 465
        tls: implicit
        user: ops
        password: {file: mail}
        from: phoenix@example.org
        to: ops@example.org
  group_by: [pool, metric]
  repeat: 30m
"""
