"""The limit of a Python model without batches: one row after the other in one process. row_by_row.py FOLDER SECONDS"""
import sys
import time

import mlflow
import numpy as np

model = mlflow.sklearn.load_model(sys.argv[1])
row = np.zeros((1, 20), np.float32)
end = time.perf_counter() + float(sys.argv[2])
count = 0
while time.perf_counter() < end:
    model.predict(row)
    count += 1
print(count / float(sys.argv[2]))
