// What other rooms may use of access.
export { authorise, createToken, createUser, deleteStepTokens, identify, tokensFor } from './service.ts';
export { hasUsers } from './store.ts';
