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
} from './model.ts';
