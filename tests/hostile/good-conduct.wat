;; Behaves well, as the neighbour does, to compare the others with.
;;
;; request: read harm
;; status: 200
