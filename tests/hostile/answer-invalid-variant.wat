;; Answers with a variant that the contract does not have.
;;
;; request: read harm
;; status: 500
;; error: discriminant

(func $hostile (result i32)
  (i32.store8 (i32.const 1024) (i32.const 1))
  (i32.store8 (i32.const 1032) (i32.const 200))
  (i32.const 1024))
