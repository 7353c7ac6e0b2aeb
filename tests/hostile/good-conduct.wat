;; Behaves well, as the neighbour does, for comparison with the other guests.
;;
;; request: read harm
;; status: 200
