import { testStores } from '../mlflow-client/matrix.ts';

testStores('3', 'the newest MLflow 3');
