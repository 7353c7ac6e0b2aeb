;; Answers with an address that is beyond its memory.
;;
;; request: read harm
;; status: 500
;; error: out of bounds

(func $hostile (result i32)
  (i32.const 0xfffffff8))
