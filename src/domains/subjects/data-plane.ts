// What the data plane uses of subjects: nothing here loads the database.
export { hmacOf, subjectKey } from './hmac.ts';
export { holds } from './model.ts';
