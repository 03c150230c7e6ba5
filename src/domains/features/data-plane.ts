// What the data plane uses of features: nothing here loads the database.
export { openOnlineReader } from './online-store.ts';
