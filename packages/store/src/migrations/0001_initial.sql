-- The tables of schema.ts. A released migration never changes: add another file.

CREATE TABLE datanets (
  id bigint PRIMARY KEY,
  name text NOT NULL UNIQUE,
  summary text NOT NULL,
  licence text NOT NULL,
  owner text NOT NULL,
  commons text NOT NULL,
  transaction_hash text NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);

CREATE TABLE contributions (
  id text PRIMARY KEY,
  datanet_id bigint NOT NULL REFERENCES datanets,
  arrival bigserial NOT NULL,
  title text NOT NULL,
  contributor text NOT NULL,
  beneficiary text NOT NULL,
  licence text NOT NULL,
  cid text NOT NULL,
  records_root text NOT NULL,
  record_count integer NOT NULL,
  accepted_count integer NOT NULL DEFAULT 0,
  status text NOT NULL CHECK (status IN ('received', 'registered', 'validated', 'versioned', 'withdrawing', 'withdrawn')),
  signature text NOT NULL,
  deadline bigint NOT NULL,
  transaction_hash text,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE INDEX ON contributions (datanet_id, status);
CREATE INDEX ON contributions (contributor);

CREATE TABLE records (
  contribution_id text NOT NULL REFERENCES contributions,
  index integer NOT NULL,
  id text NOT NULL,
  text text NOT NULL,
  verdict text NOT NULL DEFAULT 'pending' CHECK (verdict IN ('pending', 'accepted', 'rejected', 'withdrawn')),
  reason text NOT NULL DEFAULT '',
  duplicate_of text,
  similarity_ppm integer,
  echoes jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (contribution_id, index)
);
CREATE INDEX ON records (id);

CREATE TABLE answer_marks (
  mark bigint PRIMARY KEY,
  answered_at timestamp with time zone NOT NULL
);
CREATE INDEX ON answer_marks (answered_at);

CREATE TABLE datanet_versions (
  datanet_id bigint NOT NULL REFERENCES datanets,
  version integer NOT NULL,
  records_root text NOT NULL,
  record_count integer NOT NULL,
  manifest_cid text NOT NULL,
  transaction_hash text NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (datanet_id, version)
);

CREATE TABLE training_runs (
  id text PRIMARY KEY,
  model_name text NOT NULL,
  owner text NOT NULL,
  datanets jsonb NOT NULL,
  config jsonb NOT NULL,
  input_price_wei numeric(40, 0) NOT NULL,
  output_price_wei numeric(40, 0) NOT NULL,
  influence_bps integer NOT NULL,
  priority integer NOT NULL DEFAULT 0,
  status text NOT NULL CHECK (status IN ('queued', 'running', 'indexing', 'paused', 'trained', 'published', 'failed', 'cancelled')),
  claim integer NOT NULL DEFAULT 0,
  lease_until timestamp with time zone,
  started_at timestamp with time zone,
  step integer NOT NULL DEFAULT 0,
  step_count integer NOT NULL DEFAULT 0,
  training_loss real,
  validation_loss real,
  base_validation_loss real,
  test_loss real,
  base_test_loss real,
  failure text,
  base_hash text,
  checkpoint_cid text,
  adapter_cid text,
  adapter_hash text,
  weights_cid text,
  weights_hash text,
  records_cid text,
  influence_cid text,
  spans_cid text,
  attribution_root text,
  metrics_cid text,
  agreement jsonb,
  evaluation jsonb,
  publication_signature text,
  publication_deadline bigint,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ON training_runs (model_name) WHERE status NOT IN ('failed', 'cancelled');

CREATE TABLE training_metrics (
  run_id text NOT NULL REFERENCES training_runs,
  step integer NOT NULL,
  training_loss real NOT NULL,
  validation_loss real,
  tokens_per_second real NOT NULL,
  PRIMARY KEY (run_id, step)
);

CREATE TABLE models (
  id bigint PRIMARY KEY,
  name text NOT NULL UNIQUE,
  owner text NOT NULL,
  training_run_id text NOT NULL REFERENCES training_runs,
  input_price_wei numeric(40, 0) NOT NULL,
  output_price_wei numeric(40, 0) NOT NULL,
  influence_bps integer NOT NULL,
  spans_bps integer NOT NULL,
  transaction_hash text NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  id text PRIMARY KEY,
  secret_hash text NOT NULL UNIQUE,
  name text NOT NULL,
  account text NOT NULL,
  limit_wei numeric(40, 0) NOT NULL,
  spent_wei numeric(40, 0) NOT NULL DEFAULT 0,
  revoked boolean NOT NULL DEFAULT false,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE INDEX ON api_keys (account);

CREATE TABLE used_requests (
  digest text PRIMARY KEY,
  deadline bigint NOT NULL
);

CREATE TABLE holds (
  id text PRIMARY KEY,
  account text NOT NULL,
  api_key_id text,
  amount_wei numeric(40, 0) NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE INDEX ON holds (account);

CREATE TABLE receipts (
  sequence bigint PRIMARY KEY,
  hash text NOT NULL UNIQUE,
  previous_hash text NOT NULL,
  payer text NOT NULL,
  api_key_id text,
  model_id bigint NOT NULL REFERENCES models,
  prompt_hash text NOT NULL,
  answer_hash text NOT NULL,
  input_tokens integer NOT NULL,
  output_tokens integer NOT NULL,
  fee_wei numeric(40, 0) NOT NULL,
  platform_wei numeric(40, 0) NOT NULL,
  owner_wei numeric(40, 0) NOT NULL,
  stakers_wei numeric(40, 0) NOT NULL,
  contributors_wei numeric(40, 0) NOT NULL,
  split_version integer NOT NULL,
  stake_version integer NOT NULL,
  shares_root text NOT NULL,
  attribution_hash text NOT NULL,
  inference_commitment text NOT NULL,
  timestamp bigint NOT NULL,
  signature text NOT NULL,
  countersignature text,
  attribution jsonb NOT NULL,
  corrected_root text,
  batch bigint,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE INDEX ON receipts (payer);
CREATE INDEX ON receipts (model_id);
CREATE INDEX ON receipts (batch);

CREATE TABLE payouts (
  receipt_sequence bigint NOT NULL REFERENCES receipts,
  position integer NOT NULL,
  beneficiary text NOT NULL,
  contribution_id text REFERENCES contributions,
  share_ppm integer NOT NULL,
  amount_wei numeric(40, 0) NOT NULL,
  PRIMARY KEY (receipt_sequence, position)
);
CREATE INDEX ON payouts (beneficiary);
CREATE INDEX ON payouts (contribution_id);

CREATE TABLE batches (
  number bigint PRIMARY KEY,
  first_sequence bigint NOT NULL,
  last_sequence bigint NOT NULL,
  ledger_root text NOT NULL,
  ledger_sum_wei numeric(40, 0) NOT NULL,
  account_count integer NOT NULL,
  receipts_root text NOT NULL,
  body_hash text NOT NULL,
  previous_batch bigint NOT NULL,
  operator text NOT NULL,
  is_credited boolean NOT NULL,
  is_rewound boolean NOT NULL DEFAULT false,
  call_data text NOT NULL,
  status text NOT NULL CHECK (status IN ('prepared', 'settled')),
  transaction_hash text,
  settled_at bigint,
  created_at timestamp with time zone NOT NULL DEFAULT now()
);

CREATE TABLE ledger (
  index integer PRIMARY KEY,
  account text NOT NULL,
  cumulative_wei numeric(40, 0) NOT NULL
);
CREATE UNIQUE INDEX ON ledger (account);

CREATE TABLE payments (
  payer text NOT NULL,
  nonce text NOT NULL,
  scheme text NOT NULL CHECK (scheme IN ('exact', 'upto')),
  amount_wei numeric(40, 0) NOT NULL,
  resource text NOT NULL,
  status text NOT NULL CHECK (status IN ('verified', 'settled', 'failed')),
  transaction_hash text,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (payer, nonce)
);

CREATE TABLE facts (
  key text PRIMARY KEY,
  value jsonb NOT NULL
);

-- each line of each answer's attribution that pays a contribution: record -> answer -> payout, and back
CREATE VIEW attribution_lines AS
  SELECT receipt.sequence AS receipt_sequence,
    receipt.model_id,
    receipt.timestamp,
    receipt.batch,
    payout.contribution_id,
    payout.beneficiary,
    reason->>'recordId' AS record_id,
    reason->>'kind' AS kind,
    (reason->>'sharePpm')::integer AS share_ppm,
    -- a payout is divided over its reasons, each rounded down
    floor(payout.amount_wei * (reason->>'sharePpm')::numeric / total.ppm) AS amount_wei,
    reason
  FROM payouts payout
  JOIN receipts receipt ON receipt.sequence = payout.receipt_sequence
  CROSS JOIN LATERAL jsonb_array_elements(receipt.attribution->'shares') share
  CROSS JOIN LATERAL (
    SELECT sum((each->>'sharePpm')::numeric) AS ppm FROM jsonb_array_elements(share->'reasons') each
  ) total
  CROSS JOIN LATERAL jsonb_array_elements(share->'reasons') reason
  WHERE share->>'contributionId' = payout.contribution_id AND total.ppm > 0;
