"""Types of arrays; what their axes mean stands where they are made."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]
