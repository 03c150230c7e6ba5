import { testStores } from '../mlflow-client/matrix.ts';

testStores('2', 'the last MLflow 2');
