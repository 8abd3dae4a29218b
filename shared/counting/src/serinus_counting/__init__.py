"""Raw series to measurements: windows, resets, histograms, values per pod, stable's past. Pure: no I/O, no clock."""
