create table events (
  "id" text collate "C" not null,
  "workspace_id" text collate "C" not null,
  "type" text collate "C" not null,
  "subject_kind" text collate "C" not null,
  "subject_id" text collate "C" not null,
  "label" text collate "C",
  "project" text collate "C",
  "actor_kind" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "payload" text not null,
  "edges" text not null,
  "recorded_ms" bigint not null,
  "occurred_us" bigint,
  "seq" bigint,
  "hash" text collate "C",
  primary key ("id"),
  unique ("seq")
);

create index events__workspace_id__subject_kind__subject_id__seq on events ("workspace_id", "subject_kind", "subject_id", "seq");

create index events__workspace_id__seq on events ("workspace_id", "seq");

create index events__id on events ("id") where seq is null;

create table event_cursors (
  "subscriber" text collate "C" not null,
  "seq" bigint not null,
  primary key ("subscriber")
);

create table jobs (
  "id" text collate "C" not null,
  "workspace_id" text collate "C" not null,
  "name" text collate "C" not null,
  "payload" text not null,
  "state" text collate "C" not null check ("state" in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  "run_at_ms" bigint not null,
  "project" text collate "C",
  "due_us" bigint,
  "attempt" bigint not null,
  "fence" bigint not null,
  "lease_until_ms" bigint,
  "unique_key" text collate "C",
  "progress" text,
  "error" text,
  "cancel_requested" smallint not null,
  "rerun" smallint not null,
  "created_ms" bigint not null,
  "finished_ms" bigint,
  primary key ("id"),
  unique ("workspace_id", "name", "unique_key")
);

create index jobs__workspace_id__created_ms__id on jobs ("workspace_id", "created_ms", "id");

create index jobs__state__run_at_ms__id on jobs ("state", "run_at_ms", "id") where state in ('queued', 'running');

create table timelines (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "mode" text collate "C" not null check ("mode" in ('live', 'replay')),
  "now_us" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "project")
);

create table idempotency_keys (
  "workspace_id" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "key" text collate "C" not null,
  "request_digest" text collate "C" not null,
  "status" bigint,
  "reply" text,
  "created_ms" bigint not null,
  primary key ("workspace_id", "actor_id", "key")
);

create index idempotency_keys__created_ms on idempotency_keys ("created_ms");

create table replicas (
  "id" text collate "C" not null,
  "place" text collate "C" not null,
  "url" text collate "C" not null,
  "store" text collate "C" not null,
  "keys" text collate "C" not null,
  "data_plane" smallint not null,
  "started_ms" bigint not null,
  "beat_ms" bigint not null,
  primary key ("id")
);

create table leases (
  "name" text collate "C" not null,
  "holder" text collate "C" not null,
  "fence" bigint not null,
  "until_ms" bigint not null,
  primary key ("name")
);

create table workspaces (
  "id" text collate "C" not null,
  "created_ms" bigint not null,
  "description" text collate "C",
  primary key ("id")
);

create table users (
  "id" text collate "C" not null,
  "name" text collate "C" not null,
  "password_hash" text collate "C" not null,
  "created_ms" bigint not null,
  "levels_version" bigint not null,
  primary key ("id"),
  unique ("name")
);

create table grants (
  "workspace_id" text collate "C" not null,
  "user_id" text collate "C" not null,
  "role" text collate "C" not null check ("role" in ('admin', 'editor', 'member', 'viewer', 'service')),
  "direct_role" text collate "C",
  primary key ("workspace_id", "user_id")
);

create table resource_grants (
  "workspace_id" text collate "C" not null,
  "user_id" text collate "C" not null,
  "kind" text collate "C" not null,
  "resource_id" text collate "C" not null,
  "level" text collate "C" not null,
  primary key ("workspace_id", "user_id", "kind", "resource_id")
);

create index resource_grants__workspace_id__kind__resource_id on resource_grants ("workspace_id", "kind", "resource_id");

create table access_roles (
  "workspace_id" text collate "C" not null,
  "id" bigint not null,
  "name" text collate "C" not null,
  "description" text collate "C",
  primary key ("workspace_id", "id"),
  unique ("id"),
  unique ("workspace_id", "name")
);

create table access_role_grants (
  "workspace_id" text collate "C" not null,
  "id" bigint not null,
  "role_id" bigint not null,
  "kind" text collate "C" not null,
  "resource_id" text collate "C" not null,
  "level" text collate "C" not null,
  primary key ("workspace_id", "id"),
  unique ("id"),
  unique ("workspace_id", "role_id", "kind", "resource_id")
);

create table access_role_members (
  "workspace_id" text collate "C" not null,
  "role_id" bigint not null,
  "user_id" text collate "C" not null,
  "id" bigint not null,
  primary key ("workspace_id", "role_id", "user_id")
);

create index access_role_members__user_id on access_role_members ("user_id");

create table tokens (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "name" text collate "C" not null,
  "owner_id" text collate "C" not null,
  "digest" text collate "C" not null,
  "role" text collate "C" not null,
  "scope" text not null,
  "expires_ms" bigint,
  "revoked_ms" bigint,
  "created_ms" bigint not null,
  "prefix" text collate "C" not null,
  "last_used_ms" bigint,
  primary key ("workspace_id", "id"),
  unique ("digest")
);

create index tokens__owner_id on tokens ("owner_id");

create table mapped_grants (
  "workspace_id" text collate "C" not null,
  "user_id" text collate "C" not null,
  "role" text collate "C" not null check ("role" in ('admin', 'editor', 'member', 'viewer', 'service')),
  primary key ("workspace_id", "user_id")
);

create index mapped_grants__user_id on mapped_grants ("user_id");

create table identities (
  "issuer" text collate "C" not null,
  "subject" text collate "C" not null,
  "user_id" text collate "C" not null,
  "created_ms" bigint not null,
  "seen_ms" bigint not null,
  primary key ("issuer", "subject")
);

create index identities__user_id on identities ("user_id");

create table service_accounts (
  "user_id" text collate "C" not null,
  "owner" text collate "C" not null,
  "description" text collate "C" not null,
  "disabled_ms" bigint,
  primary key ("user_id")
);

create table account_bindings (
  "id" text collate "C" not null,
  "user_id" text collate "C" not null,
  "workspace_id" text collate "C" not null,
  "issuer" text collate "C" not null,
  "subject" text collate "C" not null,
  "claims" text not null,
  "created_ms" bigint not null,
  primary key ("id")
);

create index account_bindings__issuer on account_bindings ("issuer");

create index account_bindings__user_id on account_bindings ("user_id");

create table sessions (
  "id" text collate "C" not null,
  "user_id" text collate "C" not null,
  "workspace_id" text collate "C" not null,
  "digest" text collate "C" not null,
  "method" text collate "C" not null check ("method" in ('password', 'oidc')),
  "agent" text collate "C" not null,
  "issuer" text collate "C",
  "subject" text collate "C",
  "provider_session" text collate "C",
  "created_ms" bigint not null,
  "seen_ms" bigint not null,
  "expires_ms" bigint not null,
  primary key ("id"),
  unique ("digest")
);

create index sessions__user_id on sessions ("user_id");

create index sessions__expires_ms on sessions ("expires_ms");

create table login_failures (
  "key" text collate "C" not null,
  "failures" bigint not null,
  "last_ms" bigint not null,
  "until_ms" bigint not null,
  primary key ("key")
);

create index login_failures__last_ms on login_failures ("last_ms");

create table device_logins (
  "device_digest" text collate "C" not null,
  "user_code" text collate "C" not null,
  "name" text collate "C" not null,
  "workspace_id" text collate "C" not null,
  "user_name" text collate "C",
  "denied_ms" bigint,
  "expires_ms" bigint not null,
  "place" text collate "C" not null,
  primary key ("device_digest"),
  unique ("user_code")
);

create index device_logins__expires_ms on device_logins ("expires_ms");

create index device_logins__place on device_logins ("place");

create table blobs (
  "workspace_id" text collate "C" not null,
  "digest" text collate "C" not null,
  "size_bytes" bigint not null,
  "pack" text collate "C" not null,
  "pack_offset" bigint not null,
  "length" bigint not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "digest")
);

create index blobs__pack on blobs ("pack");

create table blob_tombstones (
  "workspace_id" text collate "C" not null,
  "digest" text collate "C" not null,
  "new_digest" text collate "C",
  "rows_removed" bigint not null,
  "reason" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "digest")
);

create table storage_holds (
  "id" text collate "C" not null,
  "what" text collate "C" not null,
  "until_ms" bigint not null,
  primary key ("id")
);

create table removed_packs (
  "pack" text collate "C" not null,
  "removed_ms" bigint not null,
  primary key ("pack")
);

create table projects (
  "workspace_id" text collate "C" not null,
  "name" text collate "C" not null,
  "revision" bigint not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "name")
);

create table project_revisions (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "number" bigint not null,
  "definition" text not null,
  "digest" text collate "C" not null,
  "snapshot" text collate "C" not null,
  "commit_hash" text collate "C",
  "dirty_digest" text collate "C",
  "actor_id" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "number")
);

create table code_snapshots (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "files" text not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "id")
);

create table suppressions (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "hmac" text collate "C" not null,
  "id" text collate "C" not null,
  "number" bigint not null,
  "columns" text not null,
  "erasure_id" text collate "C" not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "project", "hmac")
);

create table erasure_holds (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "erasure_id" text collate "C" not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "project")
);

create table models (
  "workspace_id" text collate "C" not null,
  "name" text collate "C" not null,
  "description" text collate "C" not null,
  "managed_by" text collate "C" not null check ("managed_by" in ('file', 'api')),
  "project" text collate "C",
  "created_ms" bigint not null,
  "updated_ms" bigint not null,
  "last_number" bigint not null,
  primary key ("workspace_id", "name")
);

create table model_versions (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "model" text collate "C" not null,
  "number" bigint not null,
  "state" text collate "C" not null check ("state" in ('unsealed', 'sealed')),
  "stage" text collate "C" not null check ("stage" in ('None', 'Staging', 'Production', 'Archived', 'Deleted_Internal')),
  "source" text collate "C" not null,
  "location" text collate "C",
  "description" text collate "C",
  "tracking_run_id" text collate "C",
  "logged_model_id" text collate "C",
  "run_link" text collate "C",
  "unsealed_because" text collate "C",
  "unservable_because" text collate "C",
  "manifest" text,
  "scan" text,
  "signature" text,
  "evidence" text not null,
  "baseline" text,
  "digest" text collate "C",
  "created_ms" bigint not null,
  "updated_ms" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "model", "number")
);

create index model_versions__workspace_id__logged_model_id on model_versions ("workspace_id", "logged_model_id");

create table model_version_holds (
  "workspace_id" text collate "C" not null,
  "holder" text collate "C" not null,
  "version_id" text collate "C" not null,
  primary key ("workspace_id", "holder", "version_id")
);

create index model_version_holds__workspace_id__version_id on model_version_holds ("workspace_id", "version_id");

create table model_version_files (
  "workspace_id" text collate "C" not null,
  "version_id" text collate "C" not null,
  "path" text collate "C" not null,
  "digest" text collate "C" not null,
  "size_bytes" bigint not null,
  primary key ("workspace_id", "version_id", "path")
);

create table model_aliases (
  "workspace_id" text collate "C" not null,
  "model" text collate "C" not null,
  "alias" text collate "C" not null,
  "number" bigint not null,
  primary key ("workspace_id", "model", "alias")
);

create table model_tags (
  "workspace_id" text collate "C" not null,
  "model" text collate "C" not null,
  "number" bigint not null,
  "key" text collate "C" not null,
  "value" text collate "C" not null,
  primary key ("workspace_id", "model", "number", "key")
);

create table evaluations (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "logged_model_id" text collate "C" not null,
  "dataset_version" text collate "C" not null,
  "task" text collate "C" not null,
  "row_count" bigint not null,
  "metrics" text not null,
  "slices" text not null,
  "curves" text not null,
  "score_table" text not null,
  "input_digest" text collate "C" not null,
  "input_bytes" bigint not null,
  "score" text collate "C" not null,
  "window" text not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "id")
);

create index evaluations__workspace_id__logged_model_id__id on evaluations ("workspace_id", "logged_model_id", "id");

create table model_conversions (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "model" text collate "C" not null,
  "version_id" text collate "C" not null,
  "version_number" bigint not null,
  "state" text collate "C" not null check ("state" in ('running', 'succeeded', 'failed')),
  "doing" text collate "C" not null,
  "tolerance" double precision not null,
  "rows_of" text collate "C",
  "environment" text collate "C",
  "sameness" text,
  "logged_model_id" text collate "C",
  "made_version" bigint,
  "error" text,
  "created_ms" bigint not null,
  "finished_ms" bigint,
  primary key ("workspace_id", "id")
);

create index model_conversions__workspace_id__version_id__id on model_conversions ("workspace_id", "version_id", "id");

create table decisions (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "model" text collate "C" not null,
  "version_id" text collate "C" not null,
  "evaluation_id" text collate "C",
  "champion_id" text collate "C",
  "gate_digest" text collate "C" not null,
  "outcome" text collate "C" not null check ("outcome" in ('passed', 'failed', 'overridden')),
  "results" text not null,
  "reason" text collate "C" not null,
  "actor_kind" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id")
);

create index decisions__workspace_id__version_id__id on decisions ("workspace_id", "version_id", "id");

create index decisions__workspace_id__model__id on decisions ("workspace_id", "model", "id");

create table datasets (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "name" text collate "C" not null,
  "current_version" text collate "C",
  "last_number" bigint not null,
  primary key ("workspace_id", "project", "name")
);

create table dataset_versions (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "dataset" text collate "C" not null,
  "number" bigint not null,
  "state" text collate "C" not null check ("state" in ('current', 'superseded', 'quarantined')),
  "columns" text not null,
  "row_count" bigint not null,
  "logical_digest" text collate "C" not null,
  "profile" text not null,
  "violations" text not null,
  "build_key" text collate "C" not null,
  "inputs" text not null,
  "generation" bigint not null,
  "actor_id" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "dataset", "number")
);

create table dataset_files (
  "workspace_id" text collate "C" not null,
  "version_id" text collate "C" not null,
  "generation" bigint not null,
  "path" text collate "C" not null,
  "digest" text collate "C" not null,
  "size_bytes" bigint not null,
  primary key ("workspace_id", "version_id", "generation", "path")
);

create index dataset_files__workspace_id__digest on dataset_files ("workspace_id", "digest");

create table pipeline_runs (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "pipeline" text collate "C" not null,
  "number" bigint not null,
  "revision_id" text collate "C" not null,
  "own_steps" text,
  "snapshot" text collate "C" not null,
  "params" text not null,
  "datasets" text not null,
  "state" text collate "C" not null check ("state" in ('running', 'succeeded', 'failed', 'cancelled')),
  "trigger_kind" text collate "C" not null,
  "trigger_reason" text collate "C" not null,
  "no_cache" smallint not null,
  "error" text,
  "created_ms" bigint not null,
  "finished_ms" bigint,
  "occurred_us" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "pipeline", "number")
);

create table steps (
  "workspace_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "name" text collate "C" not null,
  "position" bigint not null,
  "kind" text collate "C" not null,
  "needs" text not null,
  "state" text collate "C" not null check ("state" in ('waiting', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')),
  "cached_from" text collate "C",
  "cache_key" text collate "C",
  "key_parts" text,
  "explanation" text,
  "outputs" text,
  "tracking_run_id" text collate "C",
  "error" text,
  "earlier_attempts" bigint not null,
  "started_ms" bigint,
  "finished_ms" bigint,
  "version" bigint not null,
  primary key ("workspace_id", "run_id", "name")
);

create index steps__workspace_id__cache_key on steps ("workspace_id", "cache_key");

create table attempts (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "step" text collate "C" not null,
  "number" bigint not null,
  "fence" bigint not null,
  "state" text collate "C" not null check ("state" in ('running', 'succeeded', 'failed', 'lost')),
  "dir" text collate "C" not null,
  "outcome" text,
  "started_ms" bigint not null,
  "finished_ms" bigint,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "run_id", "step", "number")
);

create table cache_entries (
  "workspace_id" text collate "C" not null,
  "cache_key" text collate "C" not null,
  "run_id" text collate "C" not null,
  "step" text collate "C" not null,
  "outputs" text not null,
  "tracking_run_id" text collate "C",
  "created_ms" bigint not null,
  primary key ("workspace_id", "cache_key")
);

create table step_history (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "pipeline" text collate "C" not null,
  "step" text collate "C" not null,
  "run_id" text collate "C" not null,
  "key_parts" text not null,
  primary key ("workspace_id", "project", "pipeline", "step")
);

create table view_tables (
  "workspace_id" text collate "C" not null,
  "view_key" text collate "C" not null,
  "project" text collate "C" not null,
  "view" text collate "C" not null,
  "digest" text collate "C" not null,
  "row_count" bigint not null,
  "columns" text not null,
  "entity_columns" text not null,
  "dataset_version" text collate "C" not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "view_key")
);

create table online_views (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "view" text collate "C" not null,
  "view_key" text collate "C" not null,
  "digest" text collate "C" not null,
  "updated_ms" bigint not null,
  primary key ("workspace_id", "project", "view")
);

create table experiments (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "number" bigint not null,
  "name" text collate "C" not null,
  "artifact_location" text collate "C" not null,
  "lifecycle" text collate "C" not null check ("lifecycle" in ('active', 'deleted')),
  "created_ms" bigint not null,
  "updated_ms" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "name")
);

create table experiment_tags (
  "workspace_id" text collate "C" not null,
  "experiment_id" text collate "C" not null,
  "key" text collate "C" not null,
  "value" text collate "C" not null,
  primary key ("workspace_id", "experiment_id", "key")
);

create table tracking_runs (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "experiment_id" text collate "C" not null,
  "name" text collate "C" not null,
  "user_id" text collate "C" not null,
  "status" text collate "C" not null check ("status" in ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  "start_ms" bigint,
  "end_ms" bigint,
  "artifact_uri" text collate "C" not null,
  "lifecycle" text collate "C" not null check ("lifecycle" in ('active', 'deleted')),
  "deleted_ms" bigint,
  primary key ("workspace_id", "id")
);

create index tracking_runs__workspace_id__experiment_id__coalesce__id on tracking_runs ("workspace_id", "experiment_id", coalesce(start_ms, -9007199254740992), "id");

create index tracking_runs__workspace_id__experiment_id__id__deleted_ms on tracking_runs ("workspace_id", "experiment_id", "id", "deleted_ms") where lifecycle = 'deleted';

create table tracking_params (
  "workspace_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "key" text collate "C" not null,
  "value" text collate "C" not null,
  "short_value" text collate "C" not null,
  primary key ("workspace_id", "run_id", "key")
);

create index tracking_params__workspace_id__key__short_value__run_id on tracking_params ("workspace_id", "key", "short_value", "run_id");

create table tracking_tags (
  "workspace_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "key" text collate "C" not null,
  "value" text collate "C" not null,
  "short_value" text collate "C" not null,
  primary key ("workspace_id", "run_id", "key")
);

create index tracking_tags__workspace_id__key__short_value__run_id on tracking_tags ("workspace_id", "key", "short_value", "run_id");

create table latest_metrics (
  "workspace_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "key" text collate "C" not null,
  "timestamp_ms" bigint not null,
  "step" bigint not null,
  "value" double precision not null,
  "is_nan" smallint not null,
  "points" bigint not null,
  "blocks" bigint not null,
  "in_last" bigint not null,
  primary key ("workspace_id", "run_id", "key")
);

create index latest_metrics__workspace_id__key__value__run_id__is_nan on latest_metrics ("workspace_id", "key", "value", "run_id", "is_nan");

create table metric_blocks (
  "workspace_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "key" text collate "C" not null,
  "number" bigint not null,
  "count" bigint not null,
  "in_order" smallint not null,
  "least_step" bigint not null,
  "greatest_step" bigint not null,
  "least_ms" bigint not null,
  "greatest_ms" bigint not null,
  "least" double precision,
  "greatest" double precision,
  "sample" bytea not null,
  "points" bytea not null,
  primary key ("workspace_id", "run_id", "key", "number")
);

create table tracking_datasets (
  "workspace_id" text collate "C" not null,
  "experiment_id" text collate "C" not null,
  "name" text collate "C" not null,
  "digest" text collate "C" not null,
  "source_type" text collate "C" not null,
  "source" text collate "C" not null,
  "schema" text collate "C",
  "profile" text collate "C",
  primary key ("workspace_id", "experiment_id", "name", "digest")
);

create table tracking_inputs (
  "workspace_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "experiment_id" text collate "C" not null,
  "name" text collate "C" not null,
  "digest" text collate "C" not null,
  "context" text collate "C",
  "tags" text not null,
  primary key ("workspace_id", "run_id", "name", "digest")
);

create index tracking_inputs__workspace_id__experiment_id on tracking_inputs ("workspace_id", "experiment_id");

create table model_links (
  "workspace_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "model_id" text collate "C" not null,
  "role" text collate "C" not null check ("role" in ('input', 'output')),
  "step" bigint not null,
  primary key ("workspace_id", "run_id", "model_id", "role")
);

create index model_links__workspace_id__model_id on model_links ("workspace_id", "model_id");

create table logged_models (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "experiment_id" text collate "C" not null,
  "name" text collate "C" not null,
  "model_type" text collate "C" not null,
  "source_run_id" text collate "C",
  "status" text collate "C" not null,
  "status_message" text collate "C" not null,
  "artifact_uri" text collate "C" not null,
  "created_ms" bigint not null,
  "updated_ms" bigint not null,
  "lifecycle" text collate "C" not null,
  primary key ("workspace_id", "id")
);

create index logged_models__workspace_id__experiment_id__created_ms__id on logged_models ("workspace_id", "experiment_id", "created_ms", "id");

create index logged_models__workspace_id__source_run_id on logged_models ("workspace_id", "source_run_id");

create table logged_model_entries (
  "workspace_id" text collate "C" not null,
  "model_id" text collate "C" not null,
  "kind" text collate "C" not null check ("kind" in ('param', 'tag')),
  "key" text collate "C" not null,
  "value" text collate "C" not null,
  primary key ("workspace_id", "model_id", "kind", "key")
);

create table logged_model_metrics (
  "workspace_id" text collate "C" not null,
  "model_id" text collate "C" not null,
  "run_id" text collate "C" not null,
  "key" text collate "C" not null,
  "timestamp_ms" bigint not null,
  "step" bigint not null,
  "value" double precision not null,
  "is_nan" smallint not null,
  "dataset_name" text collate "C",
  "dataset_digest" text collate "C",
  primary key ("workspace_id", "model_id", "key", "timestamp_ms", "step", "run_id")
);

create table logged_model_files (
  "workspace_id" text collate "C" not null,
  "model_id" text collate "C" not null,
  "path" text collate "C" not null,
  "digest" text collate "C" not null,
  "size_bytes" bigint not null,
  primary key ("workspace_id", "model_id", "path")
);

create table tracking_purges (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "state" text collate "C" not null check ("state" in ('running', 'done')),
  "dry_run" smallint not null,
  "scope" text not null,
  "result" text not null,
  "actor_kind" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "created_ms" bigint not null,
  "finished_ms" bigint,
  primary key ("workspace_id", "id")
);

create table tracking_removals (
  "workspace_id" text collate "C" not null,
  "kind" text collate "C" not null check ("kind" in ('run', 'logged-model', 'experiment')),
  "id" text collate "C" not null,
  "purge_id" text collate "C" not null,
  "experiment_id" text collate "C" not null,
  "artifact_uri" text collate "C",
  "number" bigint,
  "state" text collate "C" not null check ("state" in ('pending', 'counted', 'gone')),
  primary key ("workspace_id", "kind", "id")
);

create index tracking_removals__workspace_id__purge_id__state on tracking_removals ("workspace_id", "purge_id", "state");

create table environments (
  "workspace_id" text collate "C" not null,
  "digest" text collate "C" not null,
  "lock_digest" text collate "C" not null,
  "lock_file" text collate "C" not null,
  "packages" text not null,
  "python" text collate "C" not null,
  "platform" text collate "C" not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "digest")
);

create table endpoints (
  "workspace_id" text collate "C" not null,
  "name" text collate "C" not null,
  "project" text collate "C" not null,
  "current_revision" text collate "C",
  "last_number" bigint not null,
  primary key ("workspace_id", "name")
);

create table endpoint_revisions (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "endpoint" text collate "C" not null,
  "number" bigint not null,
  "variants" text not null,
  "project_revision" text collate "C" not null,
  "decision" text collate "C" not null,
  "trial" text collate "C",
  "per_request" smallint not null,
  "created_ms" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "endpoint", "number")
);

create table releases (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "endpoint" text collate "C" not null,
  "revision" text collate "C" not null,
  "previous" text collate "C",
  "candidate" text not null,
  "state" text collate "C" not null check ("state" in ('pending', 'warming', 'shadow', 'canary', 'baking', 'paused', 'promoted', 'rolled-back', 'aborted', 'failed')),
  "policy" text,
  "step" bigint not null,
  "move" text,
  "waiting" text,
  "reason" text collate "C" not null,
  "standing" text collate "C" not null,
  "figures" text,
  "looks" bigint not null,
  "started_us" bigint not null,
  "since_us" bigint not null,
  "judged_us" bigint not null,
  "plan_number" bigint not null,
  "created_ms" bigint not null,
  "finished_ms" bigint,
  "version" bigint not null,
  primary key ("workspace_id", "id")
);

create index releases__workspace_id__endpoint__id on releases ("workspace_id", "endpoint", "id");

create index releases__workspace_id__endpoint__state on releases ("workspace_id", "endpoint", "state") where state in ('pending', 'warming', 'shadow', 'canary', 'baking', 'paused');

create table release_transitions (
  "workspace_id" text collate "C" not null,
  "release_id" text collate "C" not null,
  "number" bigint not null,
  "from_state" text collate "C" not null,
  "to_state" text collate "C" not null,
  "step" bigint not null,
  "share" double precision not null,
  "revision" text collate "C" not null,
  "actor_kind" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "reason" text collate "C" not null,
  "figures" text,
  "at_us" bigint not null,
  "at_ms" bigint not null,
  primary key ("workspace_id", "release_id", "number")
);

create table endpoint_freezes (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "endpoint" text collate "C" not null,
  "reason" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "since_us" bigint not null,
  primary key ("workspace_id", "project", "endpoint")
);

create table serving_plans (
  "id" text collate "C" not null,
  "number" bigint not null,
  primary key ("id")
);

create table trials (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "endpoint" text collate "C" not null,
  "name" text collate "C" not null,
  "state" text collate "C" not null check ("state" in ('declared', 'planned', 'running', 'paused', 'stopped', 'decided')),
  "plan" text not null,
  "started" text,
  "steering" text,
  "settled" smallint not null,
  "standing" text collate "C" not null,
  "judged_us" bigint not null,
  "guards" text not null,
  "managed_by" text collate "C" not null check ("managed_by" in ('file', 'api', 'detached')),
  "declared_by" text collate "C",
  "decision" text,
  "release_id" text collate "C",
  "ended_us" bigint,
  "created_ms" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "endpoint", "name")
);

create index trials__workspace_id__state__id on trials ("workspace_id", "state", "id") where state in ('declared', 'running');

create table trial_steps (
  "workspace_id" text collate "C" not null,
  "trial_id" text collate "C" not null,
  "number" bigint not null,
  "kind" text collate "C" not null check ("kind" in ('started', 'weights', 'kept', 'frozen', 'thawed', 'paused', 'resumed', 'stopped', 'decided')),
  "revision" bigint,
  "weights" text,
  "why" text collate "C" not null,
  "figures" text,
  "actor" text not null,
  "at_us" bigint not null,
  "at_ms" bigint not null,
  primary key ("workspace_id", "trial_id", "number")
);

create table lineage_nodes (
  "workspace_id" text collate "C" not null,
  "kind" text collate "C" not null,
  "id" text collate "C" not null,
  "label" text collate "C" not null,
  "project" text collate "C",
  "first_ms" bigint not null,
  "payload" text not null,
  primary key ("workspace_id", "kind", "id")
);

create table lineage_edges (
  "workspace_id" text collate "C" not null,
  "from_kind" text collate "C" not null,
  "from_id" text collate "C" not null,
  "relation" text collate "C" not null,
  "to_kind" text collate "C" not null,
  "to_id" text collate "C" not null,
  primary key ("workspace_id", "from_kind", "from_id", "relation", "to_kind", "to_id")
);

create index lineage_edges__workspace_id__to_kind__to_id__from_kin__7802f0ec on lineage_edges ("workspace_id", "to_kind", "to_id", "from_kind", "from_id", "relation");

create table inference_segments (
  "workspace_id" text collate "C" not null,
  "replica" text collate "C" not null,
  "segment" text collate "C" not null,
  "records" bigint not null,
  "shipped_ms" bigint not null,
  primary key ("workspace_id", "replica", "segment")
);

create table inference_files (
  "workspace_id" text collate "C" not null,
  "replica" text collate "C" not null,
  "segment" text collate "C" not null,
  "project" text collate "C" not null,
  "endpoint" text collate "C" not null,
  "part" text collate "C" not null,
  "digest" text collate "C" not null,
  "records" bigint not null,
  "from_us" bigint not null,
  "to_us" bigint not null,
  "columns" text not null,
  "shipped_ms" bigint not null,
  primary key ("workspace_id", "replica", "segment", "project", "endpoint", "part")
);

create index inference_files__workspace_id__project__endpoint__to___621ffdf4 on inference_files ("workspace_id", "project", "endpoint", "to_us", "from_us");

create table feedback_monitors (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "last_seq" bigint not null,
  "last_join" bigint not null,
  "waiting" bigint not null,
  "waiting_digest" text collate "C" not null,
  "waiting_hints" text not null,
  "next_expiry_us" bigint,
  "seen_files" bigint not null,
  "queried_us" bigint,
  "version" bigint not null,
  primary key ("workspace_id", "project", "monitor")
);

create table feedback_batches (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "id" text collate "C" not null,
  "seq" bigint not null,
  "state" text collate "C" not null check ("state" in ('accepted', 'joined')),
  "source" text collate "C" not null check ("source" in ('api', 'dataset')),
  "dataset_version" text collate "C",
  "digest" text collate "C" not null,
  "rows" bigint not null,
  "hints" text not null,
  "joined" bigint not null,
  "duplicate" bigint not null,
  "corrected" bigint not null,
  "unknown" bigint not null,
  "late" bigint not null,
  "waiting" bigint not null,
  "actor_id" text collate "C" not null,
  "accepted_us" bigint not null,
  "recorded_ms" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "project", "monitor", "id"),
  unique ("workspace_id", "project", "monitor", "seq")
);

create index feedback_batches__workspace_id__project__state on feedback_batches ("workspace_id", "project", "state") where state = 'accepted';

create index feedback_batches__workspace_id__project__monitor__acc__0824d36a on feedback_batches ("workspace_id", "project", "monitor", "accepted_us", "joined");

create table joined_files (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "number" bigint not null,
  "day_us" bigint not null,
  "digest" text collate "C" not null,
  "labels" bigint not null,
  "from_us" bigint not null,
  "to_us" bigint not null,
  primary key ("workspace_id", "project", "monitor", "number", "day_us")
);

create index joined_files__workspace_id__project__monitor__to_us__from_us on joined_files ("workspace_id", "project", "monitor", "to_us", "from_us");

create table monitor_states (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "first_us" bigint not null,
  "data_next_us" bigint not null,
  "performance_next_us" bigint not null,
  "lead" text collate "C" not null,
  "watermark_us" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "project", "monitor")
);

create table monitor_windows (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "kind" text collate "C" not null check ("kind" in ('data', 'performance')),
  "from_us" bigint not null,
  "to_us" bigint not null,
  "generation" bigint not null,
  "latest" smallint not null,
  "n" bigint not null,
  "lead" text collate "C" not null,
  "baseline" text collate "C",
  "labels_digest" text collate "C" not null,
  "labels_seen" bigint not null,
  "findings" bigint not null,
  "figures" text not null,
  "sketch" text,
  "closed_us" bigint not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "monitor", "kind", "from_us", "generation")
);

create table monitor_findings (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "window_id" text collate "C" not null,
  "from_us" bigint not null,
  "to_us" bigint not null,
  "kind" text collate "C" not null,
  "subject" text collate "C" not null,
  "method" text collate "C" not null,
  "value" double precision,
  "threshold" double precision,
  "n" bigint not null,
  "detail" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id")
);

create index monitor_findings__workspace_id__project__from_us__id on monitor_findings ("workspace_id", "project", "from_us", "id");

create index monitor_findings__workspace_id__window_id on monitor_findings ("workspace_id", "window_id");

create table monitor_baselines (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "subject" text collate "C" not null,
  "window_us" bigint not null,
  "digest" text collate "C" not null,
  "rows_read" bigint not null,
  "from_us" bigint,
  "to_us" bigint,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "monitor", "subject", "window_us")
);

create table monitor_relabels (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "from_us" bigint not null,
  "to_us" bigint not null,
  primary key ("workspace_id", "id")
);

create index monitor_relabels__workspace_id__project__monitor on monitor_relabels ("workspace_id", "project", "monitor");

create table alert_rules (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "name" text collate "C" not null,
  "rule" text not null,
  "actor_id" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "project", "name")
);

create table alert_instances (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "fingerprint" text collate "C" not null,
  "monitor" text collate "C" not null,
  "rule" text collate "C" not null,
  "logic" text collate "C" not null,
  "memory" text not null,
  "alert_id" text collate "C",
  "version" bigint not null,
  primary key ("workspace_id", "project", "fingerprint")
);

create table alerts (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "monitor" text collate "C" not null,
  "rule" text collate "C" not null,
  "signal" text collate "C" not null,
  "severity" text collate "C" not null,
  "fingerprint" text collate "C" not null,
  "labels" text not null,
  "summary" text collate "C" not null,
  "receivers" text not null,
  "state" text collate "C" not null check ("state" in ('pending', 'firing', 'recovering', 'resolved', 'dropped')),
  "muted" text collate "C" not null,
  "told" smallint not null,
  "started_us" bigint not null,
  "fired_us" bigint,
  "ended_us" bigint,
  "evidence" text not null,
  "history" text not null,
  "version" bigint not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id")
);

create index alerts__workspace_id__project__id on alerts ("workspace_id", "project", "id");

create index alerts__workspace_id__project__monitor on alerts ("workspace_id", "project", "monitor") where state in ('pending', 'firing', 'recovering');

create table alert_silences (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "matchers" text not null,
  "starts_us" bigint not null,
  "ends_us" bigint not null,
  "author" text collate "C" not null,
  "comment" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id")
);

create index alert_silences__workspace_id__project__ends_us on alert_silences ("workspace_id", "project", "ends_us");

create table alert_deliveries (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "alert_id" text collate "C" not null,
  "receiver" text collate "C" not null,
  "status" text collate "C" not null check ("status" in ('firing', 'resolved', 'test')),
  "reason" text collate "C" not null,
  "at_us" bigint not null,
  "message" text not null,
  "state" text collate "C" not null check ("state" in ('queued', 'delivered', 'failed', 'dead')),
  "attempts" bigint not null,
  "last_status" bigint,
  "last_error" text collate "C" not null,
  "next_ms" bigint,
  "created_ms" bigint not null,
  "delivered_ms" bigint,
  "version" bigint not null,
  primary key ("workspace_id", "id")
);

create index alert_deliveries__workspace_id__project__created_ms__id on alert_deliveries ("workspace_id", "project", "created_ms", "id");

create index alert_deliveries__workspace_id__alert_id__receiver__at_us on alert_deliveries ("workspace_id", "alert_id", "receiver", "at_us");

create index alert_deliveries__workspace_id__next_ms on alert_deliveries ("workspace_id", "next_ms") where state in ('queued', 'failed');

create table triggers (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "policy" text collate "C" not null,
  "cause" text collate "C" not null,
  "cause_key" text collate "C" not null,
  "subject_kind" text collate "C",
  "subject_id" text collate "C",
  "fingerprint" text collate "C" not null,
  "reason" text collate "C" not null,
  "state" text collate "C" not null check ("state" in ('recorded', 'suppressed', 'waiting-approval', 'accepted', 'running', 'deciding', 'releasing', 'rejected', 'expired', 'cancelled', 'failed', 'refused', 'passed', 'promoted', 'rolled-back')),
  "guard" text collate "C",
  "outcome" text collate "C",
  "figures" text not null,
  "params" text,
  "forced" smallint not null,
  "actor_kind" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "occurred_us" bigint not null,
  "accepted_us" bigint,
  "expires_us" bigint,
  "ended_us" bigint,
  "run_id" text collate "C",
  "version_id" text collate "C",
  "decision_id" text collate "C",
  "release_id" text collate "C",
  "version" bigint not null,
  primary key ("workspace_id", "id"),
  unique ("workspace_id", "project", "policy", "cause_key")
);

create index triggers__workspace_id__project__id on triggers ("workspace_id", "project", "id");

create index triggers__workspace_id__project__policy__accepted_us on triggers ("workspace_id", "project", "policy", "accepted_us");

create index triggers__workspace_id__project__state on triggers ("workspace_id", "project", "state");

create table retraining_states (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "policy" text collate "C" not null,
  "useless" bigint not null,
  "halted" smallint not null,
  "cron_seen_us" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "project", "policy")
);

create table retraining_stops (
  "workspace_id" text collate "C" not null,
  "project" text collate "C" not null,
  "policy" text collate "C" not null,
  "reason" text collate "C" not null,
  "actor_id" text collate "C" not null,
  primary key ("workspace_id", "project", "policy")
);

create table erasures (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "subject_kind" text collate "C" not null,
  "subject_hmac" text collate "C" not null,
  "sealed_subject" text collate "C",
  "reason" text collate "C" not null,
  "dry_run" smallint not null,
  "state" text collate "C" not null check ("state" in ('waiting', 'linking', 'rewriting', 'clearing', 'verifying', 'completed', 'failed')),
  "findings" text not null,
  "certificate" text,
  "error" text collate "C",
  "actor_kind" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "created_ms" bigint not null,
  "finished_ms" bigint,
  "version" bigint not null,
  primary key ("workspace_id", "id")
);

create index erasures__workspace_id__project__id on erasures ("workspace_id", "project", "id");

create table erasure_files (
  "workspace_id" text collate "C" not null,
  "erasure_id" text collate "C" not null,
  "digest" text collate "C" not null,
  "new_digest" text collate "C" not null,
  "size_bytes" bigint not null,
  "place" text collate "C" not null,
  "rows_before" bigint,
  "rows_removed" bigint not null,
  "rows_cleared" bigint not null,
  "kept_digest" text collate "C",
  "applied" smallint not null,
  primary key ("workspace_id", "erasure_id", "digest")
);

create table subject_accesses (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "project" text collate "C" not null,
  "subject_hmac" text collate "C" not null,
  "kind" text collate "C" not null,
  "ref" text collate "C" not null,
  "reason" text collate "C" not null,
  "actor_kind" text collate "C" not null,
  "actor_id" text collate "C" not null,
  "recorded_ms" bigint not null,
  primary key ("workspace_id", "id")
);

create index subject_accesses__workspace_id__project__subject_hmac__id on subject_accesses ("workspace_id", "project", "subject_hmac", "id");

create table webhooks (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "name" text collate "C" not null,
  "url" text collate "C" not null,
  "events" text not null,
  "description" text collate "C" not null,
  "secret" text collate "C",
  "status" text collate "C" not null check ("status" in ('ACTIVE', 'DISABLED')),
  "created_ms" bigint not null,
  "updated_ms" bigint not null,
  "version" bigint not null,
  primary key ("workspace_id", "id")
);

create index webhooks__workspace_id__created_ms__id on webhooks ("workspace_id", "created_ms", "id");

create table webhook_deliveries (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "webhook_id" text collate "C" not null,
  "event" text collate "C" not null,
  "body" text collate "C" not null,
  "state" text collate "C" not null check ("state" in ('queued', 'delivered', 'failed', 'dead')),
  "attempts" bigint not null,
  "last_status" bigint,
  "last_error" text collate "C" not null,
  "next_ms" bigint,
  "created_ms" bigint not null,
  "delivered_ms" bigint,
  "version" bigint not null,
  primary key ("workspace_id", "id")
);

create index webhook_deliveries__workspace_id__webhook_id__created_ms__id on webhook_deliveries ("workspace_id", "webhook_id", "created_ms", "id");

create index webhook_deliveries__created_ms on webhook_deliveries ("created_ms");

create index webhook_deliveries__workspace_id__next_ms on webhook_deliveries ("workspace_id", "next_ms") where state in ('queued', 'failed');

create table imports (
  "workspace_id" text collate "C" not null,
  "id" text collate "C" not null,
  "source" text collate "C" not null,
  "origin" text collate "C" not null,
  "place" text collate "C" not null,
  "state" text collate "C" not null check ("state" in ('running', 'verified', 'differs')),
  "counts" text not null,
  "started_ms" bigint not null,
  "ended_ms" bigint,
  primary key ("workspace_id", "id")
);

create index imports__workspace_id__source__started_ms on imports ("workspace_id", "source", "started_ms");

create table import_ids (
  "workspace_id" text collate "C" not null,
  "source" text collate "C" not null,
  "kind" text collate "C" not null check ("kind" in ('experiment', 'run', 'logged-model', 'model')),
  "source_id" text collate "C" not null,
  "target_id" text collate "C" not null,
  "fingerprint" text collate "C",
  primary key ("workspace_id", "source", "kind", "source_id")
);

create index import_ids__workspace_id__kind__target_id on import_ids ("workspace_id", "kind", "target_id");
