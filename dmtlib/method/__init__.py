"""The paper's Section 4 and 5.4 as pure functions on tensors: no files, no devices, no training loops."""
