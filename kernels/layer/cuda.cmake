# The CUDA rows of the layer operations' tables; included where CUDA was found.
target_sources(assay_layer PRIVATE elementwise_cuda.cpp norm_cuda.cpp norm_cuda_rows.cpp rope_cuda.cpp)
assay_cuda_sources(assay_layer elementwise_cuda.cu norm_backward_cuda.cu norm_forward_cuda.cu rope_cuda.cu)
