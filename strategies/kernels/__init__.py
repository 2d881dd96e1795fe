"""Fast exact kernels that strategies share; each can be used alone.

``distances``: squared distances in blocks, for vectors and outer products · ``kmeans_plus_plus``: k-means++
seeding · ``k_center``: farthest-first traversal · ``clusters``: k-means, agglomerative, nearest members ·
``pivoted_cholesky``: greedy log-determinant · ``lazy_greedy``: greedy coverage · ``nearest_neighbours`` ·
``temperature``: temperature scaling · ``laplace``: a posterior over the last layer's weights.
"""
