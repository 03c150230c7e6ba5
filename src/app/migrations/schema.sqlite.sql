create table events (
  "id" text not null,
  "workspace_id" text not null,
  "type" text not null,
  "subject_kind" text not null,
  "subject_id" text not null,
  "label" text,
  "project" text,
  "actor_kind" text not null,
  "actor_id" text not null,
  "payload" text not null,
  "edges" text not null,
  "recorded_ms" integer not null,
  "occurred_us" integer,
  "seq" integer,
  "hash" text,
  primary key ("id"),
  unique ("seq")
) strict;

create index events__workspace_id__subject_kind__subject_id__seq on events ("workspace_id", "subject_kind", "subject_id", "seq");

create index events__workspace_id__seq on events ("workspace_id", "seq");

create index events__id on events ("id") where seq is null;

create table event_cursors (
  "subscriber" text not null,
  "seq" integer not null,
  primary key ("subscriber")
) strict;

create table jobs (
  "id" text not null,
  "workspace_id" text not null,
  "name" text not null,
  "payload" text not null,
  "state" text not null check ("state" in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  "run_at_ms" integer not null,
  "project" text,
  "due_us" integer,
  "attempt" integer not null,
  "fence" integer not null,
  "lease_until_ms" integer,
  "unique_key" text,
  "progress" text,
  "error" text,
  "cancel_requested" integer not null,
  "rerun" integer not null,
  "created_ms" integer not null,
  "finished_ms" integer,
  primary key ("id"),
  unique ("workspace_id", "name", "unique_key")
) strict;

create index jobs__workspace_id__created_ms__id on jobs ("workspace_id", "created_ms", "id");

create index jobs__state__run_at_ms__id on jobs ("state", "run_at_ms", "id") where state in ('queued', 'running');

create table timelines (
  "workspace_id" text not null,
  "project" text not null,
  "mode" text not null check ("mode" in ('live', 'replay')),
  "now_us" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "project")
) strict;

create table idempotency_keys (
  "workspace_id" text not null,
  "actor_id" text not null,
  "key" text not null,
  "request_digest" text not null,
  "status" integer,
  "reply" text,
  "created_ms" integer not null,
  primary key ("workspace_id", "actor_id", "key")
) strict;

create index idempotency_keys__created_ms on idempotency_keys ("created_ms");

create table replicas (
  "id" text not null,
  "place" text not null,
  "url" text not null,
  "store" text not null,
  "keys" text not null,
  "data_plane" integer not null,
  "started_ms" integer not null,
  "beat_ms" integer not null,
  primary key ("id")
) strict;

create table leases (
  "name" text not null,
  "holder" text not null,
  "fence" integer not null,
  "until_ms" integer not null,
  primary key ("name")
) strict;

create table workspaces (
  "id" text not null,
  "created_ms" integer not null,
  "description" text,
  primary key ("id")
) strict;

create table users (
  "id" text not null,
  "name" text not null,
  "password_hash" text not null,
  "created_ms" integer not null,
  "levels_version" integer not null,
  primary key ("id"),
  unique ("name")
) strict;

create table grants (
  "workspace_id" text not null,
  "user_id" text not null,
  "role" text not null check ("role" in ('admin', 'editor', 'member', 'viewer', 'service')),
  "direct_role" text,
  primary key ("workspace_id", "user_id")
) strict;

create table resource_grants (
  "workspace_id" text not null,
  "user_id" text not null,
  "kind" text not null,
  "resource_id" text not null,
  "level" text not null,
  primary key ("workspace_id", "user_id", "kind", "resource_id")
) strict;

create index resource_grants__workspace_id__kind__resource_id on resource_grants ("workspace_id", "kind", "resource_id");

create table access_roles (
  "workspace_id" text not null,
  "id" integer not null,
  "name" text not null,
  "description" text,
  primary key ("workspace_id", "id"),
  unique ("id"),
  unique ("workspace_id", "name")
) strict;

create table access_role_grants (
  "workspace_id" text not null,
  "id" integer not null,
  "role_id" integer not null,
  "kind" text not null,
  "resource_id" text not null,
  "level" text not null,
  primary key ("workspace_id", "id"),
  unique ("id"),
  unique ("workspace_id", "role_id", "kind", "resource_id")
) strict;

create table access_role_members (
  "workspace_id" text not null,
  "role_id" integer not null,
  "user_id" text not null,
  "id" integer not null,
  primary key ("workspace_id", "role_id", "user_id")
) strict;

create index access_role_members__user_id on access_role_members ("user_id");

create table tokens (
  "workspace_id" text not null,
  "id" text not null,
  "name" text not null,
  "owner_id" text not null,
  "digest" text not null,
  "role" text not null,
  "scope" text not null,
  "expires_ms" integer,
  "revoked_ms" integer,
  "created_ms" integer not null,
  "prefix" text not null,
  "last_used_ms" integer,
  primary key ("workspace_id", "id"),
  unique ("digest")
) strict;

create index tokens__owner_id on tokens ("owner_id");

create table mapped_grants (
  "workspace_id" text not null,
  "user_id" text not null,
  "role" text not null check ("role" in ('admin', 'editor', 'member', 'viewer', 'service')),
  primary key ("workspace_id", "user_id")
) strict;

create index mapped_grants__user_id on mapped_grants ("user_id");

create table identities (
  "issuer" text not null,
  "subject" text not null,
  "user_id" text not null,
  "created_ms" integer not null,
  "seen_ms" integer not null,
  primary key ("issuer", "subject")
) strict;

create index identities__user_id on identities ("user_id");

create table service_accounts (
  "user_id" text not null,
  "owner" text not null,
  "description" text not null,
  "disabled_ms" integer,
  primary key ("user_id")
) strict;

create table account_bindings (
  "id" text not null,
  "user_id" text not null,
  "workspace_id" text not null,
  "issuer" text not null,
  "subject" text not null,
  "claims" text not null,
  "created_ms" integer not null,
  primary key ("id")
) strict;

create index account_bindings__issuer on account_bindings ("issuer");

create index account_bindings__user_id on account_bindings ("user_id");

create table sessions (
  "id" text not null,
  "user_id" text not null,
  "workspace_id" text not null,
  "digest" text not null,
  "method" text not null check ("method" in ('password', 'oidc')),
  "agent" text not null,
  "issuer" text,
  "subject" text,
  "provider_session" text,
  "created_ms" integer not null,
  "seen_ms" integer not null,
  "expires_ms" integer not null,
  primary key ("id"),
  unique ("digest")
) strict;

create index sessions__user_id on sessions ("user_id");

create index sessions__expires_ms on sessions ("expires_ms");

create table login_failures (
  "key" text not null,
  "failures" integer not null,
  "last_ms" integer not null,
  "until_ms" integer not null,
  primary key ("key")
) strict;

create index login_failures__last_ms on login_failures ("last_ms");

create table device_logins (
  "device_digest" text not null,
  "user_code" text not null,
  "name" text not null,
  "workspace_id" text not null,
  "user_name" text,
  "denied_ms" integer,
  "expires_ms" integer not null,
  "place" text not null,
  primary key ("device_digest"),
  unique ("user_code")
) strict;

create index device_logins__expires_ms on device_logins ("expires_ms");

create index device_logins__place on device_logins ("place");

create table blobs (
  "workspace_id" text not null,
  "digest" text not null,
  "size_bytes" integer not null,
  "pack" text not null,
  "pack_offset" integer not null,
  "length" integer not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "digest")
) strict;

create index blobs__pack on blobs ("pack");

create table blob_tombstones (
  "workspace_id" text not null,
  "digest" text not null,
  "new_digest" text,
  "rows_removed" integer not null,
  "reason" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "digest")
) strict;

create table storage_holds (
  "id" text not null,
  "what" text not null,
  "until_ms" integer not null,
  primary key ("id")
) strict;

create table removed_packs (
  "pack" text not null,
  "removed_ms" integer not null,
  primary key ("pack")
) strict;

create table projects (
  "workspace_id" text not null,
  "name" text not null,
  "revision" integer not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "name")
) strict;

create table project_revisions (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "number" integer not null,
  "definition" text not null,
  "digest" text not null,
  "snapshot" text not null,
  "commit_hash" text,
  "dirty_digest" text,
  "actor_id" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "number")
) strict;

create table code_snapshots (
  "workspace_id" text not null,
  "id" text not null,
  "files" text not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "id")
) strict;

create table suppressions (
  "workspace_id" text not null,
  "project" text not null,
  "hmac" text not null,
  "id" text not null,
  "number" integer not null,
  "columns" text not null,
  "erasure_id" text not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "project", "hmac")
) strict;

create table erasure_holds (
  "workspace_id" text not null,
  "project" text not null,
  "erasure_id" text not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "project")
) strict;

create table models (
  "workspace_id" text not null,
  "name" text not null,
  "description" text not null,
  "managed_by" text not null check ("managed_by" in ('file', 'api')),
  "project" text,
  "created_ms" integer not null,
  "updated_ms" integer not null,
  "last_number" integer not null,
  primary key ("workspace_id", "name")
) strict;

create table model_versions (
  "workspace_id" text not null,
  "id" text not null,
  "model" text not null,
  "number" integer not null,
  "state" text not null check ("state" in ('unsealed', 'sealed')),
  "stage" text not null check ("stage" in ('None', 'Staging', 'Production', 'Archived', 'Deleted_Internal')),
  "source" text not null,
  "location" text,
  "description" text,
  "tracking_run_id" text,
  "logged_model_id" text,
  "run_link" text,
  "unsealed_because" text,
  "unservable_because" text,
  "manifest" text,
  "scan" text,
  "signature" text,
  "evidence" text not null,
  "baseline" text,
  "digest" text,
  "created_ms" integer not null,
  "updated_ms" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "model", "number")
) strict;

create index model_versions__workspace_id__logged_model_id on model_versions ("workspace_id", "logged_model_id");

create table model_version_holds (
  "workspace_id" text not null,
  "holder" text not null,
  "version_id" text not null,
  primary key ("workspace_id", "holder", "version_id")
) strict;

create index model_version_holds__workspace_id__version_id on model_version_holds ("workspace_id", "version_id");

create table model_version_files (
  "workspace_id" text not null,
  "version_id" text not null,
  "path" text not null,
  "digest" text not null,
  "size_bytes" integer not null,
  primary key ("workspace_id", "version_id", "path")
) strict;

create table model_aliases (
  "workspace_id" text not null,
  "model" text not null,
  "alias" text not null,
  "number" integer not null,
  primary key ("workspace_id", "model", "alias")
) strict;

create table model_tags (
  "workspace_id" text not null,
  "model" text not null,
  "number" integer not null,
  "key" text not null,
  "value" text not null,
  primary key ("workspace_id", "model", "number", "key")
) strict;

create table evaluations (
  "workspace_id" text not null,
  "id" text not null,
  "logged_model_id" text not null,
  "dataset_version" text not null,
  "task" text not null,
  "row_count" integer not null,
  "metrics" text not null,
  "slices" text not null,
  "curves" text not null,
  "score_table" text not null,
  "input_digest" text not null,
  "input_bytes" integer not null,
  "score" text not null,
  "window" text not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index evaluations__workspace_id__logged_model_id__id on evaluations ("workspace_id", "logged_model_id", "id");

create table model_conversions (
  "workspace_id" text not null,
  "id" text not null,
  "model" text not null,
  "version_id" text not null,
  "version_number" integer not null,
  "state" text not null check ("state" in ('running', 'succeeded', 'failed')),
  "doing" text not null,
  "tolerance" real not null,
  "rows_of" text,
  "environment" text,
  "sameness" text,
  "logged_model_id" text,
  "made_version" integer,
  "error" text,
  "created_ms" integer not null,
  "finished_ms" integer,
  primary key ("workspace_id", "id")
) strict;

create index model_conversions__workspace_id__version_id__id on model_conversions ("workspace_id", "version_id", "id");

create table decisions (
  "workspace_id" text not null,
  "id" text not null,
  "model" text not null,
  "version_id" text not null,
  "evaluation_id" text,
  "champion_id" text,
  "gate_digest" text not null,
  "outcome" text not null check ("outcome" in ('passed', 'failed', 'overridden')),
  "results" text not null,
  "reason" text not null,
  "actor_kind" text not null,
  "actor_id" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index decisions__workspace_id__version_id__id on decisions ("workspace_id", "version_id", "id");

create index decisions__workspace_id__model__id on decisions ("workspace_id", "model", "id");

create table datasets (
  "workspace_id" text not null,
  "project" text not null,
  "name" text not null,
  "current_version" text,
  "last_number" integer not null,
  primary key ("workspace_id", "project", "name")
) strict;

create table dataset_versions (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "dataset" text not null,
  "number" integer not null,
  "state" text not null check ("state" in ('current', 'superseded', 'quarantined')),
  "columns" text not null,
  "row_count" integer not null,
  "logical_digest" text not null,
  "profile" text not null,
  "violations" text not null,
  "build_key" text not null,
  "inputs" text not null,
  "generation" integer not null,
  "actor_id" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "dataset", "number")
) strict;

create table dataset_files (
  "workspace_id" text not null,
  "version_id" text not null,
  "generation" integer not null,
  "path" text not null,
  "digest" text not null,
  "size_bytes" integer not null,
  primary key ("workspace_id", "version_id", "generation", "path")
) strict;

create index dataset_files__workspace_id__digest on dataset_files ("workspace_id", "digest");

create table pipeline_runs (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "pipeline" text not null,
  "number" integer not null,
  "revision_id" text not null,
  "own_steps" text,
  "snapshot" text not null,
  "params" text not null,
  "datasets" text not null,
  "state" text not null check ("state" in ('running', 'succeeded', 'failed', 'cancelled')),
  "trigger_kind" text not null,
  "trigger_reason" text not null,
  "no_cache" integer not null,
  "error" text,
  "created_ms" integer not null,
  "finished_ms" integer,
  "occurred_us" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "pipeline", "number")
) strict;

create table steps (
  "workspace_id" text not null,
  "run_id" text not null,
  "name" text not null,
  "position" integer not null,
  "kind" text not null,
  "needs" text not null,
  "state" text not null check ("state" in ('waiting', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')),
  "cached_from" text,
  "cache_key" text,
  "key_parts" text,
  "explanation" text,
  "outputs" text,
  "tracking_run_id" text,
  "error" text,
  "earlier_attempts" integer not null,
  "started_ms" integer,
  "finished_ms" integer,
  "version" integer not null,
  primary key ("workspace_id", "run_id", "name")
) strict;

create index steps__workspace_id__cache_key on steps ("workspace_id", "cache_key");

create table attempts (
  "workspace_id" text not null,
  "id" text not null,
  "run_id" text not null,
  "step" text not null,
  "number" integer not null,
  "fence" integer not null,
  "state" text not null check ("state" in ('running', 'succeeded', 'failed', 'lost')),
  "dir" text not null,
  "outcome" text,
  "started_ms" integer not null,
  "finished_ms" integer,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "run_id", "step", "number")
) strict;

create table cache_entries (
  "workspace_id" text not null,
  "cache_key" text not null,
  "run_id" text not null,
  "step" text not null,
  "outputs" text not null,
  "tracking_run_id" text,
  "created_ms" integer not null,
  primary key ("workspace_id", "cache_key")
) strict;

create table step_history (
  "workspace_id" text not null,
  "project" text not null,
  "pipeline" text not null,
  "step" text not null,
  "run_id" text not null,
  "key_parts" text not null,
  primary key ("workspace_id", "project", "pipeline", "step")
) strict;

create table view_tables (
  "workspace_id" text not null,
  "view_key" text not null,
  "project" text not null,
  "view" text not null,
  "digest" text not null,
  "row_count" integer not null,
  "columns" text not null,
  "entity_columns" text not null,
  "dataset_version" text not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "view_key")
) strict;

create table online_views (
  "workspace_id" text not null,
  "project" text not null,
  "view" text not null,
  "view_key" text not null,
  "digest" text not null,
  "updated_ms" integer not null,
  primary key ("workspace_id", "project", "view")
) strict;

create table experiments (
  "workspace_id" text not null,
  "id" text not null,
  "number" integer not null,
  "name" text not null,
  "artifact_location" text not null,
  "lifecycle" text not null check ("lifecycle" in ('active', 'deleted')),
  "created_ms" integer not null,
  "updated_ms" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "name")
) strict;

create table experiment_tags (
  "workspace_id" text not null,
  "experiment_id" text not null,
  "key" text not null,
  "value" text not null,
  primary key ("workspace_id", "experiment_id", "key")
) strict;

create table tracking_runs (
  "workspace_id" text not null,
  "id" text not null,
  "experiment_id" text not null,
  "name" text not null,
  "user_id" text not null,
  "status" text not null check ("status" in ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  "start_ms" integer,
  "end_ms" integer,
  "artifact_uri" text not null,
  "lifecycle" text not null check ("lifecycle" in ('active', 'deleted')),
  "deleted_ms" integer,
  primary key ("workspace_id", "id")
) strict;

create index tracking_runs__workspace_id__experiment_id__coalesce__id on tracking_runs ("workspace_id", "experiment_id", coalesce(start_ms, -9007199254740992), "id");

create index tracking_runs__workspace_id__experiment_id__id__deleted_ms on tracking_runs ("workspace_id", "experiment_id", "id", "deleted_ms") where lifecycle = 'deleted';

create table tracking_params (
  "workspace_id" text not null,
  "run_id" text not null,
  "key" text not null,
  "value" text not null,
  "short_value" text not null,
  primary key ("workspace_id", "run_id", "key")
) strict, without rowid;

create index tracking_params__workspace_id__key__short_value__run_id on tracking_params ("workspace_id", "key", "short_value", "run_id");

create table tracking_tags (
  "workspace_id" text not null,
  "run_id" text not null,
  "key" text not null,
  "value" text not null,
  "short_value" text not null,
  primary key ("workspace_id", "run_id", "key")
) strict, without rowid;

create index tracking_tags__workspace_id__key__short_value__run_id on tracking_tags ("workspace_id", "key", "short_value", "run_id");

create table latest_metrics (
  "workspace_id" text not null,
  "run_id" text not null,
  "key" text not null,
  "timestamp_ms" integer not null,
  "step" integer not null,
  "value" real not null,
  "is_nan" integer not null,
  "points" integer not null,
  "blocks" integer not null,
  "in_last" integer not null,
  primary key ("workspace_id", "run_id", "key")
) strict, without rowid;

create index latest_metrics__workspace_id__key__value__run_id__is_nan on latest_metrics ("workspace_id", "key", "value", "run_id", "is_nan");

create table metric_blocks (
  "workspace_id" text not null,
  "run_id" text not null,
  "key" text not null,
  "number" integer not null,
  "count" integer not null,
  "in_order" integer not null,
  "least_step" integer not null,
  "greatest_step" integer not null,
  "least_ms" integer not null,
  "greatest_ms" integer not null,
  "least" real,
  "greatest" real,
  "sample" blob not null,
  "points" blob not null,
  primary key ("workspace_id", "run_id", "key", "number")
) strict;

create table tracking_datasets (
  "workspace_id" text not null,
  "experiment_id" text not null,
  "name" text not null,
  "digest" text not null,
  "source_type" text not null,
  "source" text not null,
  "schema" text,
  "profile" text,
  primary key ("workspace_id", "experiment_id", "name", "digest")
) strict;

create table tracking_inputs (
  "workspace_id" text not null,
  "run_id" text not null,
  "experiment_id" text not null,
  "name" text not null,
  "digest" text not null,
  "context" text,
  "tags" text not null,
  primary key ("workspace_id", "run_id", "name", "digest")
) strict;

create index tracking_inputs__workspace_id__experiment_id on tracking_inputs ("workspace_id", "experiment_id");

create table model_links (
  "workspace_id" text not null,
  "run_id" text not null,
  "model_id" text not null,
  "role" text not null check ("role" in ('input', 'output')),
  "step" integer not null,
  primary key ("workspace_id", "run_id", "model_id", "role")
) strict;

create index model_links__workspace_id__model_id on model_links ("workspace_id", "model_id");

create table logged_models (
  "workspace_id" text not null,
  "id" text not null,
  "experiment_id" text not null,
  "name" text not null,
  "model_type" text not null,
  "source_run_id" text,
  "status" text not null,
  "status_message" text not null,
  "artifact_uri" text not null,
  "created_ms" integer not null,
  "updated_ms" integer not null,
  "lifecycle" text not null,
  primary key ("workspace_id", "id")
) strict;

create index logged_models__workspace_id__experiment_id__created_ms__id on logged_models ("workspace_id", "experiment_id", "created_ms", "id");

create index logged_models__workspace_id__source_run_id on logged_models ("workspace_id", "source_run_id");

create table logged_model_entries (
  "workspace_id" text not null,
  "model_id" text not null,
  "kind" text not null check ("kind" in ('param', 'tag')),
  "key" text not null,
  "value" text not null,
  primary key ("workspace_id", "model_id", "kind", "key")
) strict;

create table logged_model_metrics (
  "workspace_id" text not null,
  "model_id" text not null,
  "run_id" text not null,
  "key" text not null,
  "timestamp_ms" integer not null,
  "step" integer not null,
  "value" real not null,
  "is_nan" integer not null,
  "dataset_name" text,
  "dataset_digest" text,
  primary key ("workspace_id", "model_id", "key", "timestamp_ms", "step", "run_id")
) strict, without rowid;

create table logged_model_files (
  "workspace_id" text not null,
  "model_id" text not null,
  "path" text not null,
  "digest" text not null,
  "size_bytes" integer not null,
  primary key ("workspace_id", "model_id", "path")
) strict;

create table tracking_purges (
  "workspace_id" text not null,
  "id" text not null,
  "state" text not null check ("state" in ('running', 'done')),
  "dry_run" integer not null,
  "scope" text not null,
  "result" text not null,
  "actor_kind" text not null,
  "actor_id" text not null,
  "created_ms" integer not null,
  "finished_ms" integer,
  primary key ("workspace_id", "id")
) strict;

create table tracking_removals (
  "workspace_id" text not null,
  "kind" text not null check ("kind" in ('run', 'logged-model', 'experiment')),
  "id" text not null,
  "purge_id" text not null,
  "experiment_id" text not null,
  "artifact_uri" text,
  "number" integer,
  "state" text not null check ("state" in ('pending', 'counted', 'gone')),
  primary key ("workspace_id", "kind", "id")
) strict;

create index tracking_removals__workspace_id__purge_id__state on tracking_removals ("workspace_id", "purge_id", "state");

create table environments (
  "workspace_id" text not null,
  "digest" text not null,
  "lock_digest" text not null,
  "lock_file" text not null,
  "packages" text not null,
  "python" text not null,
  "platform" text not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "digest")
) strict;

create table endpoints (
  "workspace_id" text not null,
  "name" text not null,
  "project" text not null,
  "current_revision" text,
  "last_number" integer not null,
  primary key ("workspace_id", "name")
) strict;

create table endpoint_revisions (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "endpoint" text not null,
  "number" integer not null,
  "variants" text not null,
  "project_revision" text not null,
  "decision" text not null,
  "trial" text,
  "per_request" integer not null,
  "created_ms" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "endpoint", "number")
) strict;

create table releases (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "endpoint" text not null,
  "revision" text not null,
  "previous" text,
  "candidate" text not null,
  "state" text not null check ("state" in ('pending', 'warming', 'shadow', 'canary', 'baking', 'paused', 'promoted', 'rolled-back', 'aborted', 'failed')),
  "policy" text,
  "step" integer not null,
  "move" text,
  "waiting" text,
  "reason" text not null,
  "standing" text not null,
  "figures" text,
  "looks" integer not null,
  "started_us" integer not null,
  "since_us" integer not null,
  "judged_us" integer not null,
  "plan_number" integer not null,
  "created_ms" integer not null,
  "finished_ms" integer,
  "version" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index releases__workspace_id__endpoint__id on releases ("workspace_id", "endpoint", "id");

create index releases__workspace_id__endpoint__state on releases ("workspace_id", "endpoint", "state") where state in ('pending', 'warming', 'shadow', 'canary', 'baking', 'paused');

create table release_transitions (
  "workspace_id" text not null,
  "release_id" text not null,
  "number" integer not null,
  "from_state" text not null,
  "to_state" text not null,
  "step" integer not null,
  "share" real not null,
  "revision" text not null,
  "actor_kind" text not null,
  "actor_id" text not null,
  "reason" text not null,
  "figures" text,
  "at_us" integer not null,
  "at_ms" integer not null,
  primary key ("workspace_id", "release_id", "number")
) strict;

create table endpoint_freezes (
  "workspace_id" text not null,
  "project" text not null,
  "endpoint" text not null,
  "reason" text not null,
  "actor_id" text not null,
  "since_us" integer not null,
  primary key ("workspace_id", "project", "endpoint")
) strict;

create table serving_plans (
  "id" text not null,
  "number" integer not null,
  primary key ("id")
) strict;

create table trials (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "endpoint" text not null,
  "name" text not null,
  "state" text not null check ("state" in ('declared', 'planned', 'running', 'paused', 'stopped', 'decided')),
  "plan" text not null,
  "started" text,
  "steering" text,
  "settled" integer not null,
  "standing" text not null,
  "judged_us" integer not null,
  "guards" text not null,
  "managed_by" text not null check ("managed_by" in ('file', 'api', 'detached')),
  "declared_by" text,
  "decision" text,
  "release_id" text,
  "ended_us" integer,
  "created_ms" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "endpoint", "name")
) strict;

create index trials__workspace_id__state__id on trials ("workspace_id", "state", "id") where state in ('declared', 'running');

create table trial_steps (
  "workspace_id" text not null,
  "trial_id" text not null,
  "number" integer not null,
  "kind" text not null check ("kind" in ('started', 'weights', 'kept', 'frozen', 'thawed', 'paused', 'resumed', 'stopped', 'decided')),
  "revision" integer,
  "weights" text,
  "why" text not null,
  "figures" text,
  "actor" text not null,
  "at_us" integer not null,
  "at_ms" integer not null,
  primary key ("workspace_id", "trial_id", "number")
) strict;

create table lineage_nodes (
  "workspace_id" text not null,
  "kind" text not null,
  "id" text not null,
  "label" text not null,
  "project" text,
  "first_ms" integer not null,
  "payload" text not null,
  primary key ("workspace_id", "kind", "id")
) strict;

create table lineage_edges (
  "workspace_id" text not null,
  "from_kind" text not null,
  "from_id" text not null,
  "relation" text not null,
  "to_kind" text not null,
  "to_id" text not null,
  primary key ("workspace_id", "from_kind", "from_id", "relation", "to_kind", "to_id")
) strict, without rowid;

create index lineage_edges__workspace_id__to_kind__to_id__from_kin__7802f0ec on lineage_edges ("workspace_id", "to_kind", "to_id", "from_kind", "from_id", "relation");

create table inference_segments (
  "workspace_id" text not null,
  "replica" text not null,
  "segment" text not null,
  "records" integer not null,
  "shipped_ms" integer not null,
  primary key ("workspace_id", "replica", "segment")
) strict;

create table inference_files (
  "workspace_id" text not null,
  "replica" text not null,
  "segment" text not null,
  "project" text not null,
  "endpoint" text not null,
  "part" text not null,
  "digest" text not null,
  "records" integer not null,
  "from_us" integer not null,
  "to_us" integer not null,
  "columns" text not null,
  "shipped_ms" integer not null,
  primary key ("workspace_id", "replica", "segment", "project", "endpoint", "part")
) strict;

create index inference_files__workspace_id__project__endpoint__to___621ffdf4 on inference_files ("workspace_id", "project", "endpoint", "to_us", "from_us");

create table feedback_monitors (
  "workspace_id" text not null,
  "project" text not null,
  "monitor" text not null,
  "last_seq" integer not null,
  "last_join" integer not null,
  "waiting" integer not null,
  "waiting_digest" text not null,
  "waiting_hints" text not null,
  "next_expiry_us" integer,
  "seen_files" integer not null,
  "queried_us" integer,
  "version" integer not null,
  primary key ("workspace_id", "project", "monitor")
) strict;

create table feedback_batches (
  "workspace_id" text not null,
  "project" text not null,
  "monitor" text not null,
  "id" text not null,
  "seq" integer not null,
  "state" text not null check ("state" in ('accepted', 'joined')),
  "source" text not null check ("source" in ('api', 'dataset')),
  "dataset_version" text,
  "digest" text not null,
  "rows" integer not null,
  "hints" text not null,
  "joined" integer not null,
  "duplicate" integer not null,
  "corrected" integer not null,
  "unknown" integer not null,
  "late" integer not null,
  "waiting" integer not null,
  "actor_id" text not null,
  "accepted_us" integer not null,
  "recorded_ms" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "project", "monitor", "id"),
  unique ("workspace_id", "project", "monitor", "seq")
) strict;

create index feedback_batches__workspace_id__project__state on feedback_batches ("workspace_id", "project", "state") where state = 'accepted';

create index feedback_batches__workspace_id__project__monitor__acc__0824d36a on feedback_batches ("workspace_id", "project", "monitor", "accepted_us", "joined");

create table joined_files (
  "workspace_id" text not null,
  "project" text not null,
  "monitor" text not null,
  "number" integer not null,
  "day_us" integer not null,
  "digest" text not null,
  "labels" integer not null,
  "from_us" integer not null,
  "to_us" integer not null,
  primary key ("workspace_id", "project", "monitor", "number", "day_us")
) strict;

create index joined_files__workspace_id__project__monitor__to_us__from_us on joined_files ("workspace_id", "project", "monitor", "to_us", "from_us");

create table monitor_states (
  "workspace_id" text not null,
  "project" text not null,
  "monitor" text not null,
  "first_us" integer not null,
  "data_next_us" integer not null,
  "performance_next_us" integer not null,
  "lead" text not null,
  "watermark_us" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "project", "monitor")
) strict;

create table monitor_windows (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "monitor" text not null,
  "kind" text not null check ("kind" in ('data', 'performance')),
  "from_us" integer not null,
  "to_us" integer not null,
  "generation" integer not null,
  "latest" integer not null,
  "n" integer not null,
  "lead" text not null,
  "baseline" text,
  "labels_digest" text not null,
  "labels_seen" integer not null,
  "findings" integer not null,
  "figures" text not null,
  "sketch" text,
  "closed_us" integer not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "monitor", "kind", "from_us", "generation")
) strict;

create table monitor_findings (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "monitor" text not null,
  "window_id" text not null,
  "from_us" integer not null,
  "to_us" integer not null,
  "kind" text not null,
  "subject" text not null,
  "method" text not null,
  "value" real,
  "threshold" real,
  "n" integer not null,
  "detail" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index monitor_findings__workspace_id__project__from_us__id on monitor_findings ("workspace_id", "project", "from_us", "id");

create index monitor_findings__workspace_id__window_id on monitor_findings ("workspace_id", "window_id");

create table monitor_baselines (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "monitor" text not null,
  "subject" text not null,
  "window_us" integer not null,
  "digest" text not null,
  "rows_read" integer not null,
  "from_us" integer,
  "to_us" integer,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "monitor", "subject", "window_us")
) strict;

create table monitor_relabels (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "monitor" text not null,
  "from_us" integer not null,
  "to_us" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index monitor_relabels__workspace_id__project__monitor on monitor_relabels ("workspace_id", "project", "monitor");

create table alert_rules (
  "workspace_id" text not null,
  "project" text not null,
  "name" text not null,
  "rule" text not null,
  "actor_id" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "project", "name")
) strict;

create table alert_instances (
  "workspace_id" text not null,
  "project" text not null,
  "fingerprint" text not null,
  "monitor" text not null,
  "rule" text not null,
  "logic" text not null,
  "memory" text not null,
  "alert_id" text,
  "version" integer not null,
  primary key ("workspace_id", "project", "fingerprint")
) strict;

create table alerts (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "monitor" text not null,
  "rule" text not null,
  "signal" text not null,
  "severity" text not null,
  "fingerprint" text not null,
  "labels" text not null,
  "summary" text not null,
  "receivers" text not null,
  "state" text not null check ("state" in ('pending', 'firing', 'recovering', 'resolved', 'dropped')),
  "muted" text not null,
  "told" integer not null,
  "started_us" integer not null,
  "fired_us" integer,
  "ended_us" integer,
  "evidence" text not null,
  "history" text not null,
  "version" integer not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index alerts__workspace_id__project__id on alerts ("workspace_id", "project", "id");

create index alerts__workspace_id__project__monitor on alerts ("workspace_id", "project", "monitor") where state in ('pending', 'firing', 'recovering');

create table alert_silences (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "matchers" text not null,
  "starts_us" integer not null,
  "ends_us" integer not null,
  "author" text not null,
  "comment" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index alert_silences__workspace_id__project__ends_us on alert_silences ("workspace_id", "project", "ends_us");

create table alert_deliveries (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "alert_id" text not null,
  "receiver" text not null,
  "status" text not null check ("status" in ('firing', 'resolved', 'test')),
  "reason" text not null,
  "at_us" integer not null,
  "message" text not null,
  "state" text not null check ("state" in ('queued', 'delivered', 'failed', 'dead')),
  "attempts" integer not null,
  "last_status" integer,
  "last_error" text not null,
  "next_ms" integer,
  "created_ms" integer not null,
  "delivered_ms" integer,
  "version" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index alert_deliveries__workspace_id__project__created_ms__id on alert_deliveries ("workspace_id", "project", "created_ms", "id");

create index alert_deliveries__workspace_id__alert_id__receiver__at_us on alert_deliveries ("workspace_id", "alert_id", "receiver", "at_us");

create index alert_deliveries__workspace_id__next_ms on alert_deliveries ("workspace_id", "next_ms") where state in ('queued', 'failed');

create table triggers (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "policy" text not null,
  "cause" text not null,
  "cause_key" text not null,
  "subject_kind" text,
  "subject_id" text,
  "fingerprint" text not null,
  "reason" text not null,
  "state" text not null check ("state" in ('recorded', 'suppressed', 'waiting-approval', 'accepted', 'running', 'deciding', 'releasing', 'rejected', 'expired', 'cancelled', 'failed', 'refused', 'passed', 'promoted', 'rolled-back')),
  "guard" text,
  "outcome" text,
  "figures" text not null,
  "params" text,
  "forced" integer not null,
  "actor_kind" text not null,
  "actor_id" text not null,
  "occurred_us" integer not null,
  "accepted_us" integer,
  "expires_us" integer,
  "ended_us" integer,
  "run_id" text,
  "version_id" text,
  "decision_id" text,
  "release_id" text,
  "version" integer not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "policy", "cause_key")
) strict;

create index triggers__workspace_id__project__id on triggers ("workspace_id", "project", "id");

create index triggers__workspace_id__project__policy__accepted_us on triggers ("workspace_id", "project", "policy", "accepted_us");

create index triggers__workspace_id__project__state on triggers ("workspace_id", "project", "state");

create table retraining_states (
  "workspace_id" text not null,
  "project" text not null,
  "policy" text not null,
  "useless" integer not null,
  "halted" integer not null,
  "cron_seen_us" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "project", "policy")
) strict;

create table retraining_stops (
  "workspace_id" text not null,
  "project" text not null,
  "policy" text not null,
  "reason" text not null,
  "actor_id" text not null,
  primary key ("workspace_id", "project", "policy")
) strict;

create table erasures (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "subject_kind" text not null,
  "subject_hmac" text not null,
  "sealed_subject" text,
  "reason" text not null,
  "dry_run" integer not null,
  "state" text not null check ("state" in ('waiting', 'linking', 'rewriting', 'clearing', 'verifying', 'completed', 'failed')),
  "findings" text not null,
  "certificate" text,
  "error" text,
  "actor_kind" text not null,
  "actor_id" text not null,
  "created_ms" integer not null,
  "finished_ms" integer,
  "version" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index erasures__workspace_id__project__id on erasures ("workspace_id", "project", "id");

create table erasure_files (
  "workspace_id" text not null,
  "erasure_id" text not null,
  "digest" text not null,
  "new_digest" text not null,
  "size_bytes" integer not null,
  "place" text not null,
  "rows_before" integer,
  "rows_removed" integer not null,
  "rows_cleared" integer not null,
  "kept_digest" text,
  "applied" integer not null,
  primary key ("workspace_id", "erasure_id", "digest")
) strict;

create table subject_accesses (
  "workspace_id" text not null,
  "id" text not null,
  "project" text not null,
  "subject_hmac" text not null,
  "kind" text not null,
  "ref" text not null,
  "reason" text not null,
  "actor_kind" text not null,
  "actor_id" text not null,
  "recorded_ms" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index subject_accesses__workspace_id__project__subject_hmac__id on subject_accesses ("workspace_id", "project", "subject_hmac", "id");

create table webhooks (
  "workspace_id" text not null,
  "id" text not null,
  "name" text not null,
  "url" text not null,
  "events" text not null,
  "description" text not null,
  "secret" text,
  "status" text not null check ("status" in ('ACTIVE', 'DISABLED')),
  "created_ms" integer not null,
  "updated_ms" integer not null,
  "version" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index webhooks__workspace_id__created_ms__id on webhooks ("workspace_id", "created_ms", "id");

create table webhook_deliveries (
  "workspace_id" text not null,
  "id" text not null,
  "webhook_id" text not null,
  "event" text not null,
  "body" text not null,
  "state" text not null check ("state" in ('queued', 'delivered', 'failed', 'dead')),
  "attempts" integer not null,
  "last_status" integer,
  "last_error" text not null,
  "next_ms" integer,
  "created_ms" integer not null,
  "delivered_ms" integer,
  "version" integer not null,
  primary key ("workspace_id", "id")
) strict;

create index webhook_deliveries__workspace_id__webhook_id__created_ms__id on webhook_deliveries ("workspace_id", "webhook_id", "created_ms", "id");

create index webhook_deliveries__created_ms on webhook_deliveries ("created_ms");

create index webhook_deliveries__workspace_id__next_ms on webhook_deliveries ("workspace_id", "next_ms") where state in ('queued', 'failed');

create table imports (
  "workspace_id" text not null,
  "id" text not null,
  "source" text not null,
  "origin" text not null,
  "place" text not null,
  "state" text not null check ("state" in ('running', 'verified', 'differs')),
  "counts" text not null,
  "started_ms" integer not null,
  "ended_ms" integer,
  primary key ("workspace_id", "id")
) strict;

create index imports__workspace_id__source__started_ms on imports ("workspace_id", "source", "started_ms");

create table import_ids (
  "workspace_id" text not null,
  "source" text not null,
  "kind" text not null check ("kind" in ('experiment', 'run', 'logged-model', 'model')),
  "source_id" text not null,
  "target_id" text not null,
  "fingerprint" text,
  primary key ("workspace_id", "source", "kind", "source_id")
) strict;

create index import_ids__workspace_id__kind__target_id on import_ids ("workspace_id", "kind", "target_id");
