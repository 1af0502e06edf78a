# The CUDA rows of the layer operations' tables; included where CUDA was found.
target_sources(assay_layer PRIVATE adamw_cuda.cpp columns_cuda.cpp cross_entropy_cuda.cpp elementwise_cuda.cpp embedding_cuda.cpp
               grad_norm_cuda.cpp norm_cuda.cpp norm_cuda_rows.cpp permute_cuda.cpp rope_cuda.cpp router_cuda.cpp)
assay_cuda_sources(assay_layer adamw_cuda.cu columns_cuda.cu cross_entropy_cuda.cu elementwise_cuda.cu embedding_cuda.cu
                   grad_norm_cuda.cu norm_backward_cuda.cu norm_forward_cuda.cu permute_cuda.cu rope_cuda.cu
                   router_cuda.cu)
