;; Branches through a table of 60,000 labels, over and over.
;;
;; request: read harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (local $label i32)
  (loop $again
    (block $0 (block $1 (block $2
      (local.set $label (i32.add (local.get $label) (i32.const 1)))
      (br_table @{30000 $0 $1 } $2 (local.get $label)))))
    (br $again))
  unreachable)
