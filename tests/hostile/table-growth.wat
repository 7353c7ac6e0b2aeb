;; Grows a table, whose elements are pointers of the host, as far as it can.
;;
;; request: read harm
;; status: 500
;; error: --memory-mib
;; serve: --memory-mib=4

(table $table 1 funcref)
(func $hostile (result i32)
  (loop $again
    (if (i32.eq (table.grow $table (ref.null func) (i32.const 65536)) (i32.const -1)) (then unreachable))
    (br $again))
  unreachable)
