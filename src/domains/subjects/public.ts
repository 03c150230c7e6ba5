// What other rooms may use of subjects.
export {
  ERASED,
  holds,
  subjectSql,
  type HeldFile,
  type Redact,
  type Replaced,
  type Replacement,
  type Subject,
  type TableColumn,
} from './model.ts';
export { canonical, canonicalSql, isAnyCase, isDistinctive, needlesOf, valuePattern, writtenForms } from './forms.ts';
export { mentionsOf, type Mentions } from './mentions.ts';
export { hmacOf, subjectKey } from './hmac.ts';
export {
  endHold,
  hold,
  refuseWhileErasing,
  subjectOf,
  suppress,
  suppressHmac,
  suppressedIn,
  suppressionsForPlan,
  type Suppressed,
} from './service.ts';
export { countAll as countSuppressions, listSuppressions, type Suppression } from './store.ts';
