// What other rooms may use of transfers: the records that travel, and their digests.
export {
  filesOfDigest,
  hashPoints,
  inOrder,
  loggedModelDigest,
  metricsDigest,
  modelDigest,
  runDigest,
  sourceIdentity,
  type FileDigest,
  type Point,
  type PointsDigest,
  type PointsHash,
} from './model.ts';
export { Experiment as ExperimentShape, Model as ModelShape, Run as RunShape, TakeLoggedModel as LoggedModelShape } from './schema.ts';
