"""stub"""
import numpy as np


def visible(plan, layout, evidence):
    return np.full(layout.channels.abort, np.nan)
