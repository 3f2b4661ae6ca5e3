"""Images and labels as tensors that stay on the device: data sets, splits, batched augmentation."""
