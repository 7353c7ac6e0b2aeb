;; Reads memory that it does not have, 4 GiB beyond its base.
;;
;; request: read harm
;; status: 500
;; error: out of bounds memory access

(func $hostile (result i32)
  (i32.load offset=0xfffffff0 (i32.const 0xfffffff0)))
