// What a route can ask for. Which role may do what is decided in domains/access.

export const permissions = [
  'access:admin',
  'access:self',
  'alerts:read',
  'alerts:write',
  'blobs:write',
  'code:execute',
  'datasets:read',
  'datasets:write',
  'environments:read',
  'features:read',
  'features:write',
  'gates:decide',
  'governance:erase',
  'governance:read',
  'lineage:read',
  'models:read',
  'models:write',
  'monitoring:read',
  'monitoring:write',
  'pipelines:read',
  'pipelines:run',
  'projects:read',
  'releases:read',
  'releases:write',
  'retraining:read',
  'retraining:write',
  'serving:predict',
  'system:read',
  'system:admin',
  'timeline:advance',
  'tracking:read',
  'tracking:write',
] as const;

/** `public` routes need no actor: health, readiness, version. */
export type Permission = (typeof permissions)[number] | 'public';
